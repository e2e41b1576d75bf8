//! Pulls from a hub on loopback: whole, cut, wrong, refused, offline.

#![allow(clippy::disallowed_methods, reason = "files of a test")]

mod common;

use std::path::Path;
use std::time::Duration;

use common::{COMMIT, FILE, Faults, Hub, REPO};
use copl_hub::{Error, HubFile, Progress, Pulled, Settings, cached, pull};

fn settings(hub: &Hub, cache: &Path) -> Settings {
    let mut settings = Settings::from_vars(|_| None, None);
    settings.endpoint.clone_from(&hub.endpoint);
    settings.cache = cache.to_owned();
    settings.token = None;
    settings.attempts = 3;
    settings.pause = Duration::from_millis(1);
    settings.silence = Duration::from_secs(5);
    settings
}

fn file() -> HubFile {
    HubFile::new(REPO, FILE)
}

fn quiet(settings: &Settings) -> copl_hub::Result<Pulled> {
    pull(settings, &file(), &mut |_| {})
}

/// Names of everything in a folder and below.
fn names(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().unwrap().is_dir() {
            found.extend(names(&entry.path()));
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
    found
}

#[test]
fn a_file_is_pulled_into_the_usual_cache() {
    let (hub, cache) = (Hub::start(Faults::default()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, cache.path());
    assert_eq!(cached(&settings, &file()), None);
    let mut seen = Vec::new();
    let pulled = pull(&settings, &file(), &mut |p| seen.push(p)).unwrap();

    let repo = cache.path().join("models--timm--tiny.in1k");
    assert_eq!(pulled.path, repo.join("snapshots").join(COMMIT).join(FILE));
    assert_eq!(std::fs::read(&pulled.path).unwrap(), hub.content);
    let link = std::fs::read_link(&pulled.path).unwrap();
    assert_eq!(link, Path::new("../../blobs").join(hub.sha256()));
    assert_eq!(std::fs::read_to_string(repo.join("refs/main")).unwrap(), COMMIT);
    assert_eq!((pulled.sha256, pulled.bytes, pulled.vouched, pulled.fresh), (hub.sha256(), 300_000, true, true));
    assert_eq!(seen[0], Progress::Begun { bytes: Some(300_000), kept: 0 });
    assert!(seen.contains(&Progress::Received(300_000)) && seen.last() == Some(&Progress::Checking), "{seen:?}");

    assert_eq!(cached(&settings, &file()), Some(pulled.path));
    assert!(!quiet(&settings).unwrap().fresh);
    let content = hub.requests().iter().filter(|r| r.starts_with("GET /store")).count();
    assert_eq!(content, 1, "what is there is not fetched again");
}

#[test]
fn cut_connections_are_made_again_from_where_they_ended() {
    let cuts = vec![100_000, 50_000];
    let (hub, cache) = (Hub::start(Faults { cuts, ..Faults::default() }), tempfile::tempdir().unwrap());
    let pulled = quiet(&settings(&hub, cache.path())).unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), hub.content);
    let ranges: Vec<String> =
        hub.requests().into_iter().filter_map(|r| r.split_once("bytes=").map(|(_, r)| r.to_owned())).collect();
    // Each range is asked of the hub and then of its storage.
    assert_eq!(ranges, ["100000-", "100000-", "150000-", "150000-"]);
}

#[test]
fn a_later_pull_goes_on_where_an_earlier_one_gave_up() {
    let cuts = vec![120_000, 0, 0, 0, 0, 0];
    let (hub, cache) = (Hub::start(Faults { cuts, ..Faults::default() }), tempfile::tempdir().unwrap());
    let settings = settings(&hub, cache.path());
    let error = quiet(&settings).unwrap_err();
    assert!(matches!(error, Error::Connection { kept: 120_000, .. }), "{error}");
    assert!(error.to_string().contains("120000 bytes are kept: the same command goes on from there"), "{error}");
    assert_eq!(cached(&settings, &file()), None);
    assert_eq!(copl_hub::partial_bytes(&settings, &file()), 120_000);

    hub.set(Faults::default());
    let mut seen = Vec::new();
    let pulled = pull(&settings, &file(), &mut |p| seen.push(p)).unwrap();
    assert_eq!(seen[0], Progress::Begun { bytes: Some(300_000), kept: 120_000 });
    assert_eq!(std::fs::read(pulled.path).unwrap(), hub.content);
    assert_eq!(copl_hub::partial_bytes(&settings, &file()), 0);
}

#[test]
fn a_server_that_knows_no_ranges_sends_all_again() {
    let faults = Faults { cuts: vec![1000], no_ranges: true, ..Faults::default() };
    let (hub, cache) = (Hub::start(faults), tempfile::tempdir().unwrap());
    let pulled = quiet(&settings(&hub, cache.path())).unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), hub.content);
}

#[test]
fn content_of_another_checksum_never_gets_its_name() {
    let faults = Faults { other_content: true, ..Faults::default() };
    let (hub, cache) = (Hub::start(faults), tempfile::tempdir().unwrap());
    let settings = settings(&hub, cache.path());
    let error = quiet(&settings).unwrap_err();
    let Error::Checksum { what, expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((*what, expected), ("SHA-256", &hub.sha256()));
    assert_ne!(found, expected);
    assert_eq!(names(cache.path()), [format!("{}.lock", hub.sha256())], "nothing is left but the lock");
    assert_eq!(cached(&settings, &file()), None);

    hub.set(Faults::default());
    assert!(quiet(&settings).unwrap().fresh);
}

#[test]
fn content_that_went_bad_on_disk_is_fetched_again() {
    let (hub, cache) = (Hub::start(Faults::default()), tempfile::tempdir().unwrap());
    let settings = settings(&hub, cache.path());
    let path = quiet(&settings).unwrap().path;
    std::fs::write(&path, b"not weights").unwrap();
    assert!(quiet(&settings).unwrap().fresh);
    assert_eq!(std::fs::read(path).unwrap(), hub.content);
}

#[test]
fn offline_only_the_cache_is_asked() {
    let (hub, cache) = (Hub::start(Faults::default()), tempfile::tempdir().unwrap());
    let online = settings(&hub, cache.path());
    let offline = Settings { offline: true, ..online.clone() };
    let error = quiet(&offline).unwrap_err();
    assert!(matches!(error, Error::Offline { .. }), "{error}");
    assert!(error.to_string().contains("HF_HUB_OFFLINE"), "{error}");
    assert!(hub.requests().is_empty());

    let path = quiet(&online).unwrap().path;
    let asked = hub.requests().len();
    let again = quiet(&offline).unwrap();
    assert_eq!((again.path, again.fresh, again.sha256), (path, false, hub.sha256()));
    assert_eq!(hub.requests().len(), asked);
}

#[test]
fn unknown_and_private_files_are_told_apart() {
    let (hub, cache) = (Hub::start(Faults::default()), tempfile::tempdir().unwrap());
    let mut settings = settings(&hub, cache.path());
    let error = pull(&settings, &HubFile::new(REPO, "other.bin"), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::NotFound { .. }), "{error}");
    assert!(error.to_string().contains("404 Not Found, Entry not found"), "{error}");

    hub.set(Faults { token: Some("hf_me".to_owned()), ..Faults::default() });
    let error = quiet(&settings).unwrap_err();
    assert!(matches!(error, Error::Denied { .. }), "{error}");
    assert!(error.to_string().contains("HF_TOKEN") && error.to_string().contains("401"), "{error}");
    settings.token = Some("hf_me".to_owned());
    assert!(quiet(&settings).unwrap().fresh);
    assert!(names(cache.path()).iter().all(|name| !name.contains("other")));
}

#[test]
fn a_renamed_repository_is_followed() {
    let faults = Faults { renamed: true, ..Faults::default() };
    let (hub, cache) = (Hub::start(faults), tempfile::tempdir().unwrap());
    let pulled = quiet(&settings(&hub, cache.path())).unwrap();
    assert_eq!(std::fs::read(pulled.path).unwrap(), hub.content);
}

#[test]
fn storage_in_trouble_is_asked_again_and_given_up_in_finite_time() {
    let faults = Faults { status: Some(503), ..Faults::default() };
    let (hub, cache) = (Hub::start(faults), tempfile::tempdir().unwrap());
    let error = quiet(&settings(&hub, cache.path())).unwrap_err();
    assert!(matches!(error, Error::Connection { .. }) && error.to_string().contains("503"), "{error}");
    assert_eq!(hub.requests().iter().filter(|r| r.contains("/store/")).count(), 3);
}

#[test]
fn without_a_hub_the_error_names_the_address() {
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::start(Faults::default());
    let settings = Settings { endpoint: "http://127.0.0.1:9".to_owned(), ..settings(&hub, cache.path()) };
    let error = quiet(&settings).unwrap_err().to_string();
    assert!(error.contains("http://127.0.0.1:9/timm/tiny.in1k/resolve/main/model.safetensors"), "{error}");
    assert!(error.contains("HF_ENDPOINT"), "{error}");
}

#[test]
fn a_silent_hub_is_not_waited_for_without_end() {
    // Connections are taken by the system, and nobody answers.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let cache = tempfile::tempdir().unwrap();
    let hub = Hub::start(Faults::default());
    let settings = Settings {
        endpoint: format!("http://{}", silent.local_addr().unwrap()),
        silence: Duration::from_millis(200),
        ..settings(&hub, cache.path())
    };
    let started = std::time::Instant::now();
    let error = quiet(&settings).unwrap_err();
    assert!(matches!(error, Error::Connection { .. }), "{error}");
    assert!(started.elapsed() < Duration::from_secs(10));
}
