//! What is asked of the hub: which content a name has, and that content from some byte on.

use ureq::config::RedirectAuthHeaders;
use ureq::http::{HeaderMap, Response, Uri};
use ureq::{Agent, Body};

use crate::error::{Error, Result};
use crate::file::HubFile;
use crate::settings::Settings;

/// Redirects a name may take before it leads to content.
const HOPS: usize = 5;

/// What the hub says of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    /// The commit its revision stands for.
    pub(crate) commit: String,
    /// Name of its content: SHA-256 for large files.
    pub(crate) etag: String,
    /// Bytes.
    pub(crate) size: Option<u64>,
}

/// Content from some byte on.
pub(crate) struct Part {
    /// The first byte that comes: where it was asked for, or 0 if the server does not resume.
    pub(crate) start: u64,
    pub(crate) body: Body,
}

/// Speaks to the hub.
pub(crate) struct Client<'a> {
    settings: &'a Settings,
    /// Follows no redirect: those of the hub say what content is meant.
    asking: Agent,
    /// Follows redirects to where content is stored; the token stays with the hub.
    fetching: Agent,
}

impl<'a> Client<'a> {
    pub(crate) fn new(settings: &'a Settings) -> Self {
        let agent = |redirects: u32| -> Agent {
            let config = Agent::config_builder()
                .user_agent(concat!("copl/", env!("CARGO_PKG_VERSION")))
                // Ranges and sizes are those of the content itself.
                .accept_encoding("identity")
                .http_status_as_error(false)
                .max_redirects(redirects)
                .max_redirects_will_error(redirects > 0)
                .redirect_auth_headers(RedirectAuthHeaders::SameHost)
                .timeout_connect(Some(settings.silence))
                .timeout_recv_response(Some(settings.silence))
                .timeout_per_read(Some(settings.silence));
            // A proxy knows nothing of this machine's own ports.
            let config = if is_local(&settings.endpoint) { config.proxy(None) } else { config };
            config.build().into()
        };
        Self { settings, asking: agent(0), fetching: agent(10) }
    }

    /// What a file's name stands for now.
    pub(crate) fn describe(&self, file: &HubFile) -> Result<Remote> {
        let mut url = file.url(&self.settings.endpoint, &file.revision);
        for _ in 0..HOPS {
            let mut request = self.asking.head(&url);
            if let Some(token) = self.token_for(&url) {
                request = request.header("Authorization", token);
            }
            let response = request.call().map_err(|e| lost(&url, &e, 0))?;
            let headers = response.headers();
            if response.status().is_redirection() {
                let location = header(headers, "location").ok_or_else(|| bad(&url, "a redirect that leads nowhere"))?;
                // Renamed repositories redirect by path; content elsewhere comes with the commit's name.
                if location.starts_with('/') || header(headers, "x-repo-commit").is_none() {
                    url = absolute(&url, &location)?;
                    continue;
                }
            } else if !response.status().is_success() {
                return Err(refused(&url, &response));
            }
            return remote(&url, &response);
        }
        Err(bad(&url, "too many redirects"))
    }

    /// Content of a commit's file from byte `start` on.
    pub(crate) fn fetch(&self, file: &HubFile, remote: &Remote, start: u64) -> Result<Part> {
        let url = file.url(&self.settings.endpoint, &remote.commit);
        let mut request = self.fetching.get(&url);
        if let Some(token) = self.token_for(&url) {
            request = request.header("Authorization", token);
        }
        if start > 0 {
            request = request.header("Range", format!("bytes={start}-"));
        }
        let response = request.call().map_err(|e| lost(&url, &e, start))?;
        let begins = match response.status().as_u16() {
            200 => 0,
            206 => {
                let range = header(response.headers(), "content-range");
                let begins = range.as_deref().and_then(first_byte);
                begins.filter(|b| *b == start).ok_or_else(|| bad(&url, "another range than was asked for"))?
            }
            // Nothing is left to send, or the server does not know the range: from the beginning.
            416 if start > 0 => return self.fetch(file, remote, 0),
            429 | 500..=599 => return Err(lost(&url, &response.status(), start)),
            _ => return Err(refused(&url, &response)),
        };
        Ok(Part { start: begins, body: response.into_body() })
    }

    /// The token, for the hub's own addresses only.
    fn token_for(&self, url: &str) -> Option<String> {
        let host = |text: &str| text.parse::<Uri>().ok()?.authority().map(ToString::to_string);
        let own = host(url)? == host(&self.settings.endpoint)?;
        self.settings.token.as_ref().filter(|_| own).map(|token| format!("Bearer {token}"))
    }
}

fn remote(url: &str, response: &Response<Body>) -> Result<Remote> {
    let headers = response.headers();
    let commit = header(headers, "x-repo-commit").ok_or_else(|| {
        bad(url, "no x-repo-commit in the answer: this is no Hugging Face hub, or something stands between")
    })?;
    let etag = header(headers, "x-linked-etag").or_else(|| header(headers, "etag"));
    let etag = etag.ok_or_else(|| bad(url, "no etag in the answer"))?;
    let etag = etag.trim_start_matches("W/").trim_matches('"').to_owned();
    // Both become names of files.
    let plain = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !plain(&commit) || !plain(&etag) {
        return Err(bad(url, "a commit or etag that is none"));
    }
    let own = if response.status().is_redirection() { None } else { header(headers, "content-length") };
    let size = header(headers, "x-linked-size").or(own).and_then(|text| text.parse().ok());
    Ok(Remote { commit, etag, size })
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// The first byte of `bytes 10-19/20`.
fn first_byte(range: &str) -> Option<u64> {
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}

/// The address a redirect leads to.
fn absolute(from: &str, location: &str) -> Result<String> {
    if !location.starts_with('/') {
        return Ok(location.to_owned());
    }
    let uri: Uri = from.parse().map_err(|_| bad(from, "no address"))?;
    match (uri.scheme_str(), uri.authority()) {
        (Some(scheme), Some(authority)) => Ok(format!("{scheme}://{authority}{location}")),
        _ => Err(bad(from, "no address")),
    }
}

fn is_local(endpoint: &str) -> bool {
    let host = endpoint.parse::<Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
    host.is_some_and(|host| matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]"))
}

fn refused(url: &str, response: &Response<Body>) -> Error {
    let status = response.status();
    let said = header(response.headers(), "x-error-message").or_else(|| header(response.headers(), "x-error-code"));
    let reason = said.map_or_else(|| status.to_string(), |said| format!("{status}, {said}"));
    let url = url.to_owned();
    match status.as_u16() {
        401 | 403 => Error::Denied { url, reason },
        404 => Error::NotFound { url, reason },
        _ => Error::Answer { url, reason: format!("the hub answers {reason}") },
    }
}

fn bad(url: &str, reason: &str) -> Error {
    Error::Answer { url: url.to_owned(), reason: format!("the hub's answer cannot be used: {reason}") }
}

pub(crate) fn lost(url: &str, reason: &dyn std::fmt::Display, kept: u64) -> Error {
    Error::Connection { url: url.to_owned(), reason: reason.to_string(), kept }
}
