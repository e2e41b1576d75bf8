//! A run is reachable from this machine only: every socket of the command and of its nodes is on a loopback address, and
//! none has joined a multicast group.

mod common;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::time::{Duration, Instant};

use common::{alone, children, mini_run_of, root, signal, text, tiny_ave, wait};
use nix::sys::signal::Signal;

/// A socket as /proc/net tells of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Socket {
    protocol: String,
    address: IpAddr,
    port: u16,
    is_listening: bool,
}

/// `0100007F`, or four such words: each in the byte order of the machine, which is little-endian here.
fn address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| u32::from_str_radix(hex.get(8 * at..8 * at + 8)?, 16).ok().map(u32::to_le_bytes);
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let words = [word(0)?, word(1)?, word(2)?, word(3)?].concat();
            Some(Ipv6Addr::from(<[u8; 16]>::try_from(words).ok()?).to_canonical())
        }
        _ => None,
    }
}

/// A line of /proc/net/tcp and its like: inode and socket.
fn parse(protocol: &str, line: &str) -> Option<(u64, Socket)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (host, port) = fields.get(1)?.split_once(':')?;
    let socket = Socket {
        protocol: protocol.to_owned(),
        address: address(host)?,
        port: u16::from_str_radix(port, 16).ok()?,
        is_listening: protocol.starts_with("tcp") && fields.get(3) == Some(&"0A"),
    };
    Some((fields.get(9)?.parse().ok()?, socket))
}

/// All sockets with an address, by their inodes.
fn sockets() -> BTreeMap<u64, Socket> {
    let mut all = BTreeMap::new();
    for protocol in ["tcp", "tcp6", "udp", "udp6", "raw", "raw6"] {
        // A machine without IPv6 has no such file.
        let table = std::fs::read_to_string(Path::new("/proc/net").join(protocol)).unwrap_or_default();
        all.extend(table.lines().skip(1).filter_map(|line| parse(protocol, line)));
    }
    all
}

/// Inodes of the sockets a process has open.
fn open_sockets(pid: u32) -> BTreeSet<u64> {
    let Ok(handles) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return BTreeSet::new() };
    let inode = |handle: std::fs::DirEntry| {
        let target = std::fs::read_link(handle.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    };
    handles.flatten().filter_map(inode).collect()
}

/// Multicast groups that somebody on this machine is in, by interface.
fn groups() -> BTreeSet<String> {
    let mut groups = BTreeSet::new();
    let mut interface = String::new();
    for line in std::fs::read_to_string("/proc/net/igmp").unwrap_or_default().lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        match line.starts_with(char::is_whitespace) {
            true => groups.extend(fields.first().and_then(|g| address(g)).map(|g| format!("{interface} {g}"))),
            false => interface = fields.get(1).unwrap_or(&"").to_string(),
        }
    }
    for line in std::fs::read_to_string("/proc/net/igmp6").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split_whitespace().collect();
        groups.extend(fields.get(1).zip(fields.get(2)).map(|(interface, group)| format!("{interface} {group}")));
    }
    groups
}

#[test]
fn addresses_are_read_as_the_kernel_writes_them() {
    assert_eq!(address("0100007F"), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(address("00000000"), Some(Ipv4Addr::UNSPECIFIED.into()));
    assert_eq!(address("00000000000000000000000001000000"), Some(Ipv6Addr::LOCALHOST.into()));
    assert_eq!(address("0000000000000000FFFF00000100007F"), Some(Ipv4Addr::LOCALHOST.into()));
    assert_eq!(address("E00000E0"), Some(Ipv4Addr::new(224, 0, 0, 224).into()));
    let line =
        "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0 100 0";
    let (inode, socket) = parse("tcp", line).unwrap();
    assert_eq!((inode, socket.port, socket.is_listening), (4242, 8080, true));
}

#[test]
fn a_listener_of_this_process_is_seen() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let all = sockets();
    let own = open_sockets(std::process::id());
    assert!(own.iter().filter_map(|i| all.get(i)).any(|s| s.port == port && s.is_listening), "{all:?}");
}

/// Looks at every socket of a run over a few seconds of its work. `wanted`: the kinds of nodes it has.
fn sockets_of(flow: &str, wanted: usize) {
    let _alone = alone();
    let work = tempfile::tempdir().unwrap();
    let before = groups();
    let mut command = mini_run_of(flow, tiny_ave(), work.path(), &["--epochs", "500", "--json"]);
    let log = std::fs::File::create(work.path().join("log")).unwrap();
    let run = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    let said = || std::fs::read_to_string(work.path().join("log")).unwrap();
    let (begun, mut working) = (Instant::now(), None::<Instant>);
    let mut found = BTreeMap::<(String, Socket), u32>::new();
    let mut names = BTreeSet::new();
    let mut joined = BTreeSet::new();
    while working.is_none_or(|since| since.elapsed() < Duration::from_secs(3)) {
        assert!(begun.elapsed() < Duration::from_secs(180), "the run never came to its work: {}", said());
        let all = sockets();
        let nodes = children(run.id());
        let processes =
            nodes.into_iter().map(|(pid, line)| (pid as u32, line)).chain([(run.id(), "command".to_owned())]);
        for (pid, line) in processes {
            let name = line.split("node ").last().unwrap_or_default().trim().to_owned();
            for socket in open_sockets(pid).iter().filter_map(|inode| all.get(inode)) {
                *found.entry((name.clone(), socket.clone())).or_default() += 1;
            }
            names.insert(name);
        }
        joined.extend(groups().difference(&before).cloned());
        if working.is_none() && said().contains(r#""event":"metrics""#) {
            working = Some(Instant::now());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    signal(run.id(), Signal::SIGINT);
    let (output, _) = wait(run, Duration::from_secs(30));
    assert_eq!(output.status.code(), Some(130), "{} {}", text(&output), said());

    for (name, socket) in found.keys() {
        let listens = if socket.is_listening { "listens on" } else { "has" };
        println!("{flow}: {name} {listens} {} {}:{}", socket.protocol, socket.address, socket.port);
    }
    assert!(names.len() > wanted, "{wanted} kinds of nodes and the command were to be looked at: {names:?}");
    let listening = found.keys().filter(|(_, socket)| socket.is_listening).count();
    assert!(listening > 0, "not one listener: this test does not see the engine's sockets");
    let abroad: Vec<_> = found.keys().filter(|(_, socket)| !socket.address.is_loopback()).collect();
    assert!(abroad.is_empty(), "not on loopback: {abroad:#?}");
    assert!(joined.is_empty(), "multicast groups that came with the run: {joined:?}");
}

#[test]
fn a_run_listens_on_loopback_only() {
    assert!(root().join("dataflows/ave-mini.yml").is_file());
    sockets_of("ave-mini.yml", 6);
}

#[test]
fn encoders_in_nodes_of_their_own_listen_on_loopback_only() {
    sockets_of("ave-mini-split.yml", 7);
}
