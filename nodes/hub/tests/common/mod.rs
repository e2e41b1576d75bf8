//! A hub on loopback: the addresses, headers and redirects of huggingface.co, and faults on request.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};

pub const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub const REPO: &str = "timm/tiny.in1k";
pub const FILE: &str = "model.safetensors";

/// What goes wrong.
#[derive(Clone, Debug, Default)]
pub struct Faults {
    /// Connections that are closed after so many bytes of content, one after the other.
    pub cuts: Vec<usize>,
    /// Content that does not have the promised checksum.
    pub other_content: bool,
    /// Ranges are not heard: all content, every time.
    pub no_ranges: bool,
    /// Only this token is let in.
    pub token: Option<String>,
    /// The repository has another name now.
    pub renamed: bool,
    /// Every request for content fails with this status.
    pub status: Option<u16>,
}

pub struct Hub {
    pub endpoint: String,
    pub content: Vec<u8>,
    faults: Arc<Mutex<Faults>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Hub {
    pub fn start(faults: Faults) -> Self {
        let content: Vec<u8> = (0..300_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let (faults, requests) = (Arc::new(Mutex::new(faults)), Arc::new(Mutex::new(Vec::new())));
        let hub = Self { endpoint, content: content.clone(), faults: faults.clone(), requests: requests.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that goes away is what some tests are about.
                let _ = serve(&stream, &content, &faults, &requests);
            }
        });
        hub
    }

    pub fn sha256(&self) -> String {
        digest(&self.content)
    }

    /// Changes what goes wrong.
    pub fn set(&self, faults: Faults) {
        *self.faults.lock().unwrap() = faults;
    }

    /// `METHOD PATH RANGE` of every request so far.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn serve(
    mut stream: &TcpStream,
    content: &[u8],
    faults: &Mutex<Faults>,
    requests: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    let mut headers = Vec::new();
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        headers.push(line);
    }
    let header = |name: &str| {
        headers.iter().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let range = header("range");
    requests.lock().unwrap().push(format!("{method} {path} {}", range.clone().unwrap_or_default()).trim().to_owned());
    let mut faults = faults.lock().unwrap();
    let token = header("authorization").unwrap_or_default();
    let answer = |mut stream: &TcpStream, status: &str, more: &str| {
        stream.write_all(format!("HTTP/1.1 {status}\r\n{more}Connection: close\r\n\r\n").as_bytes())
    };
    if path.starts_with("/store/") {
        assert!(token.is_empty(), "the token must not leave the hub");
        if let Some(status) = faults.status {
            return answer(stream, &format!("{status} Trouble"), "Content-Length: 0\r\n");
        }
        let mut content = content.to_vec();
        if faults.other_content {
            content[7] ^= 1;
        }
        let from = range.filter(|_| !faults.no_ranges);
        let from = from.and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
        let rest = &content[from.unwrap_or(0)..];
        let (status, range) = match from {
            None => ("200 OK", String::new()),
            Some(from) => (
                "206 Partial Content",
                format!("Content-Range: bytes {from}-{}/{}\r\n", content.len() - 1, content.len()),
            ),
        };
        answer(stream, status, &format!("{range}Content-Length: {}\r\n", rest.len()))?;
        let stop = if faults.cuts.is_empty() { rest.len() } else { faults.cuts.remove(0).min(rest.len()) };
        return stream.write_all(&rest[..stop]);
    }
    if faults.token.as_ref().is_some_and(|wanted| token != format!("Bearer {wanted}")) {
        let said = "X-Error-Code: RepoNotFound\r\nX-Error-Message: Invalid username or password.\r\n";
        return answer(stream, "401 Unauthorized", said);
    }
    let mut name = REPO.to_owned();
    if faults.renamed {
        name = "timm/new".to_owned();
        if let Some(rest) = path.strip_prefix(&format!("/{REPO}/")) {
            return answer(stream, "307 Temporary Redirect", &format!("Location: /{name}/{rest}\r\n"));
        }
    }
    let known = ["main", COMMIT].iter().any(|revision| path == format!("/{name}/resolve/{revision}/{FILE}"));
    if !known {
        return answer(stream, "404 Not Found", "X-Error-Code: EntryNotFound\r\nX-Error-Message: Entry not found\r\n");
    }
    // The storage is another host by name, as the hub's is.
    let port = stream.local_addr()?.port();
    let (size, sha256) = (content.len(), digest(content));
    answer(
        stream,
        "302 Found",
        &format!(
            "Location: http://localhost:{port}/store/{sha256}\r\nX-Repo-Commit: {COMMIT}\r\nX-Linked-Size: {size}\r\n\
             X-Linked-Etag: \"{sha256}\"\r\nETag: \"other\"\r\n"
        ),
    )
}
