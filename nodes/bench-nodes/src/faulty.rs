//! Node `faulty`: passes tensors on and does one thing wrong, to see how a run ends then (tests/node_faults.rs).

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, StructArray, UInt8Array};
use copl_contract::schema::{BatchBuilder, Schema};
use copl_contract::settings::Settings;
use copl_contract::{EdgeSpec, Edges, Header, Kind, Message, Node, NodeError, NodeSpec};

copl_contract::choice! {
    /// What goes wrong.
    pub enum Fault {
        None = "none",
        Crash = "crash",
        Panic = "panic",
        Hang = "hang",
        Exit = "exit",
        Garbage = "garbage",
        WrongSchema = "wrong-schema",
        Drop = "drop",
        Repeat = "repeat",
        Swell = "swell",
    }
}

copl_contract::settings! {
    /// Settings of `faulty`.
    pub struct FaultySettings {
        "FAULT" fault: Fault = "none", "What goes wrong: crash (SIGABRT), panic, hang (it computes for ever), exit (code 0, before the end of its streams), garbage (bytes without a header), wrong-schema (other columns than the header says), drop (a message is lost), repeat (a message comes twice), swell (it takes memory until it gets no more, or has 16 GiB).";
        "AT" at: u64 = "3", "At which message, from 0.";
    }
}

/// Passes tensors on, and fails as it is told.
#[derive(Debug)]
pub struct Faulty;

impl Node for Faulty {
    type Settings = FaultySettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "faulty",
            about: "passes tensors on and does one thing wrong, to see how a run ends",
            settings: FaultySettings::specs(),
            inputs: vec![EdgeSpec::required("tensors", &[Schema::Tensor], "tensors")],
            outputs: vec![EdgeSpec::required("tensors", &[Schema::Tensor], "the same tensors")],
            check: |env| FaultySettings::from_env(env).map(|_| ()),
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        while let Some(message) = edges.recv()? {
            if message.header.kind != Kind::Data {
                continue;
            }
            if message.header.position == settings.at {
                commit(settings.fault, edges, message)?;
            } else {
                edges.send("tensors", message.header.with_kind(Kind::Data), (Schema::Tensor, message.batch))?;
            }
        }
        Ok(())
    }
}

/// Does what is wrong in the place of passing `message` on.
fn commit(fault: Fault, edges: &mut Edges, message: Message) -> Result<(), NodeError> {
    let number = edges.next_number("tensors");
    let numbered = |seq| Header { seq, schema: Some(Schema::Tensor), ..message.header.with_kind(Kind::Data) };
    let rows: ArrayRef = Arc::new(StructArray::from(message.batch.clone()));
    match fault {
        Fault::None => {}
        Fault::Crash => std::process::abort(),
        Fault::Panic => panic_as_told(),
        Fault::Hang => loop {
            std::thread::sleep(Duration::from_secs(1));
        },
        Fault::Exit => std::process::exit(0),
        Fault::Swell => swell(),
        Fault::Garbage => {
            return edges.send_unchecked("tensors", None, Arc::new(UInt8Array::from(vec![0xAB; 1000])));
        }
        Fault::WrongSchema => {
            let other = BatchBuilder::new(Schema::Credits).int64([0]).int64([1]).utf8(["clip"]).build();
            let (_, other) = other.map_err(|e| NodeError::contract("tensors", e))?;
            return edges.send_unchecked("tensors", Some(numbered(number)), Arc::new(StructArray::from(other)));
        }
        Fault::Drop => {
            edges.skip_number("tensors");
            return Ok(());
        }
        Fault::Repeat => edges.send_unchecked("tensors", Some(numbered(number.saturating_sub(1))), rows)?,
    }
    edges.send("tensors", message.header.with_kind(Kind::Data), (Schema::Tensor, message.batch))
}

/// Takes memory, and writes to it: what is only asked for costs nothing.
fn swell() {
    const PIECE: usize = 64 << 20;
    let mut held: Vec<Vec<u8>> = Vec::new();
    while held.len() * PIECE < 16 << 30 {
        held.push(vec![1; PIECE]);
        // Kept from being seen as unused.
        std::hint::black_box(&held);
    }
}

#[allow(clippy::panic, reason = "the fault that was asked for")]
fn panic_as_told() {
    panic!("a panic, as FAULT asks for");
}
