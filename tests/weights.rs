//! `copl weights` as a user sees it: list, verify, pull from a hub on loopback, and what is said of weights that are absent.

mod common;

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

use common::{copl, root, text};

const NANO: &str = "nodes/networks/weights/swin-v2-nano.safetensors";
const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// The command with an empty cache and no variables of this machine's hub.
fn weights(cache: &Path) -> Command {
    let mut command = copl();
    for name in ["HF_HOME", "HF_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"] {
        command.env_remove(name);
    }
    command.env("HF_HUB_CACHE", cache);
    command
}

fn code(done: &Output) -> i32 {
    done.status.code().unwrap()
}

/// A hub with one content for every file, whose checksum it says; ranges are not needed here.
fn hub(content: Vec<u8>, sha256: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = lines.next().unwrap().unwrap();
            lines.map(Result::unwrap).take_while(|line| !line.is_empty()).for_each(drop);
            let mut answer = format!(
                "HTTP/1.1 200 OK\r\nConnection: close\r\nX-Repo-Commit: {COMMIT}\r\nX-Linked-Etag: \"{sha256}\"\r\n\
                 Content-Length: {}\r\n\r\n",
                content.len()
            )
            .into_bytes();
            if first.starts_with("GET ") {
                answer.extend(&content);
            }
            // The command may have gone.
            let _ = stream.write_all(&answer);
        }
    });
    address
}

#[test]
fn weights_are_pulled_listed_and_found_by_a_dataflow() {
    let cache = tempfile::tempdir().unwrap();
    let content = std::fs::read(root().join(NANO)).unwrap();
    let done = weights(cache.path()).args(["weights", "verify", "swin-v2-nano", "--json"]).output().unwrap();
    let verified: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!((verified["ok"].as_bool(), verified["missing"].as_array().map(Vec::len)), (Some(true), Some(0)));
    let sha256 = verified["sha256"].as_str().unwrap().to_owned();

    // The encoder of ave.yml.
    let name = "swin-v2-large-window12-192";
    let check = || weights(cache.path()).arg("check").arg(root().join("dataflows/ave.yml")).output().unwrap();
    let before = check();
    assert!(before.status.success(), "absent weights only warn\n{}", text(&before));
    assert!(text(&before).contains(&format!("`copl weights pull {name}`")), "{}", text(&before));

    let endpoint = hub(content, sha256.clone());
    let pull = weights(cache.path()).env("HF_ENDPOINT", &endpoint).args(["weights", "pull", name]).output().unwrap();
    assert!(pull.status.success(), "{}", text(&pull));
    assert!(text(&pull).contains(&sha256) && text(&pull).contains("as the hub says"), "{}", text(&pull));
    assert!(text(&pull).contains("(100 %)"), "{}", text(&pull));

    let list = weights(cache.path()).args(["weights", "list", "--json"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let row = rows.as_array().unwrap().iter().find(|row| row["preset"] == name).unwrap();
    assert_eq!((row["state"].as_str(), row["licence"].as_str()), (Some("cached"), Some("MIT")));
    assert!(row["path"].as_str().unwrap().contains(COMMIT));

    let after = check();
    assert!(!text(&after).contains("weights pull"), "{}", text(&after));
    let doctor = weights(cache.path()).arg("doctor").output().unwrap();
    assert!(text(&doctor).contains(&format!("weights {name}")), "{}", text(&doctor));
    // What came is whole, but another encoder's: a strict reader says so.
    let verify = weights(cache.path()).args(["weights", "verify", name]).output().unwrap();
    assert_eq!(code(&verify), 11);
    assert!(
        text(&verify).contains("mis-shaped") && text(&verify).contains("patch_embed.proj.weight"),
        "{}",
        text(&verify)
    );
}

#[test]
fn a_wrong_checksum_is_refused() {
    let cache = tempfile::tempdir().unwrap();
    let endpoint = hub(b"not what was promised".to_vec(), "0".repeat(64));
    let name = "swin-v2-tiny-window8-256";
    let pull = weights(cache.path()).env("HF_ENDPOINT", &endpoint).args(["weights", "pull", name]).output().unwrap();
    assert_eq!(code(&pull), 11, "{}", text(&pull));
    assert!(text(&pull).contains("SHA-256 is") && text(&pull).contains("thrown away"), "{}", text(&pull));
    let list = weights(cache.path()).args(["weights", "list", "--json"]).output().unwrap();
    assert!(!text(&list).contains("cached"), "{}", text(&list));
}

#[test]
fn offline_nothing_is_asked_and_the_error_says_why() {
    let cache = tempfile::tempdir().unwrap();
    let pull = weights(cache.path())
        .env("HF_HUB_OFFLINE", "1")
        .args(["weights", "pull", "swin-v2-large-192"])
        .output()
        .unwrap();
    assert_eq!(code(&pull), 11);
    assert!(text(&pull).contains("HF_HUB_OFFLINE forbids the network"), "{}", text(&pull));
}

#[test]
fn a_file_is_recognised_by_its_tensors() {
    let cache = tempfile::tempdir().unwrap();
    let done = weights(cache.path()).args(["weights", "verify"]).arg(root().join(NANO)).output().unwrap();
    assert!(done.status.success(), "{}", text(&done));
    assert!(text(&done).contains("encoder    swin-v2-nano:"), "{}", text(&done));
    let checkpoint = root().join("nodes/networks/tests/fixtures/checkpoints/lightning.ckpt");
    let other =
        weights(cache.path()).args(["weights", "verify", "--as", "swin-v2-nano"]).arg(checkpoint).output().unwrap();
    assert_eq!(code(&other), 11);
    assert!(text(&other).contains("PyTorch [state_dict]") && text(&other).contains("norm.weight"), "{}", text(&other));
}

#[test]
fn names_nobody_knows_and_weights_no_program_gets() {
    let cache = tempfile::tempdir().unwrap();
    let run = |name: &str| weights(cache.path()).args(["weights", "pull", name]).output().unwrap();
    let unknown = run("swin-v2-tiny-windw8-256");
    assert_eq!(code(&unknown), 2);
    assert!(text(&unknown).contains("did you mean swin-v2-tiny-window8-256?"), "{}", text(&unknown));
    let by_hand = run("hts-at");
    assert_eq!(code(&by_hand), 11);
    assert!(text(&by_hand).contains("HTSAT_AudioSet_Saved_1.ckpt"), "{}", text(&by_hand));
    assert!(run("swin-v2-nano").status.success());
}
