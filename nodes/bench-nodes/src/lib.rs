//! Nodes `tensor-source` and `tensor-sink`: numbered tensors through one edge, as fast or as slow as wanted, with credits
//! coming back. They measure the edges (`copl bench messages`) and prove that a slow consumer loses nothing. [`Faulty`] stands
//! between them and breaks something.

mod faulty;

use std::time::{Duration, Instant};

use arrow::datatypes::Float32Type;
use copl_contract::credits::Credits;
use copl_contract::events::Event;
use copl_contract::schema::{self, BatchBuilder, Schema};
use copl_contract::settings::{SECS, Settings, within};
use copl_contract::{EdgeSpec, Edges, ExitCode, Header, Kind, Node, NodeError, NodeSpec, Split, tensor};

pub use faulty::{Fault, Faulty, FaultySettings};

copl_contract::settings! {
    /// Settings of `tensor-source`.
    pub struct TensorSourceSettings {
        "MESSAGES" messages: u64 = "10000", "Tensors to send.";
        "VALUES" values: usize = "150000", "Numbers in a tensor, four bytes each.";
        "WINDOW" window: usize = "8", "Tensors under way at once.";
        "STALL_SECS" stall_secs: f64 = "60", "Seconds without a credit after which the run is given up.";
    }
}

/// Sends numbered tensors.
#[derive(Debug)]
pub struct TensorSource;

impl Node for TensorSource {
    type Settings = TensorSourceSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "tensor-source",
            about: "sends numbered tensors, to measure edges",
            settings: TensorSourceSettings::specs(),
            inputs: vec![
                EdgeSpec::required("credits", &[Schema::Credits], "one row for every tensor taken").feedback(),
            ],
            outputs: vec![EdgeSpec::required(
                "tensors",
                &[Schema::Tensor],
                "tensors whose first number is their place",
            )],
            check: |env| {
                let settings = TensorSourceSettings::from_env(env)?;
                within("MESSAGES", settings.messages, 1..=1 << 40)?;
                within("VALUES", settings.values, 1..=1 << 28)?;
                within("WINDOW", settings.window, 1..=100_000)?;
                within("STALL_SECS", settings.stall_secs, SECS)
            },
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let mut credits = Credits::new(settings.window);
        let broken = |e: String| NodeError::contract("credits", e);
        for position in 0..settings.messages {
            while !credits.available() {
                take(edges, &mut credits, settings.stall_secs)?;
            }
            credits.take(position).map_err(broken)?;
            let mut values = vec![0.0; settings.values.max(1)];
            values[0] = position as f32;
            let row = BatchBuilder::new(Schema::Tensor)
                .tensor_f32(values, 1, &[settings.values.max(1)])
                .build()
                .map_err(broken)?;
            edges.send("tensors", Header { position, ..Header::new(Kind::Data, 1, Split::Train) }, row)?;
        }
        while !credits.all_returned() {
            take(edges, &mut credits, settings.stall_secs)?;
        }
        Ok(())
    }
}

fn take(edges: &mut Edges, credits: &mut Credits, stall_secs: f64) -> Result<(), NodeError> {
    match edges.poll(Duration::from_millis(500))? {
        copl_contract::Polled::Message(message) => {
            let positions = schema::int64(&message.batch, "position").map_err(|e| NodeError::contract("credits", e))?;
            positions
                .values()
                .iter()
                .try_for_each(|p| credits.give_back(*p as u64))
                .map_err(|e| NodeError::contract("credits", e))
        }
        copl_contract::Polled::Closed => Err(NodeError::contract("credits", "the credits ended before the tensors")),
        copl_contract::Polled::Idle if credits.unchanged_for().as_secs_f64() > stall_secs => {
            Err(NodeError::Stalled(format!("{} tensors are under way and none came back", credits.in_flight())))
        }
        copl_contract::Polled::Idle => Ok(()),
    }
}

copl_contract::settings! {
    /// Settings of `tensor-sink`.
    pub struct TensorSinkSettings {
        "DELAY_MS" delay_ms: f64 = "0", "Milliseconds the sink works on each tensor.";
    }
}

/// Takes tensors and returns credits.
#[derive(Debug)]
pub struct TensorSink;

impl Node for TensorSink {
    type Settings = TensorSinkSettings;

    fn spec() -> NodeSpec {
        NodeSpec {
            name: "tensor-sink",
            about: "takes numbered tensors, checks them and returns credits",
            settings: TensorSinkSettings::specs(),
            inputs: vec![EdgeSpec::required("tensors", &[Schema::Tensor], "tensors whose first number is their place")],
            outputs: vec![EdgeSpec::required("credits", &[Schema::Credits], "one row for every tensor taken")],
            check: |env| within("DELAY_MS", TensorSinkSettings::from_env(env)?.delay_ms, 0.0..=1e6),
        }
    }

    fn run(settings: Self::Settings, edges: &mut Edges) -> Result<(), NodeError> {
        let (start, mut count, mut bytes, mut peak_kib) = (Instant::now(), 0u64, 0usize, 0);
        while let Some(message) = edges.recv()? {
            if message.header.kind != Kind::Data {
                continue;
            }
            let view =
                tensor::view::<Float32Type>(&message.batch, "tensor").map_err(|e| NodeError::contract("tensors", e))?;
            let position = message.header.position;
            if view.values.first() != Some(&(position as f32)) {
                let found = view.values.first().map_or("nothing".to_owned(), f32::to_string);
                return Err(NodeError::failed(ExitCode::Contract, format!("tensor {position} holds {found}")));
            }
            bytes += size_of_val(view.values);
            count += 1;
            if settings.delay_ms > 0.0 {
                std::thread::sleep(Duration::from_secs_f64(settings.delay_ms / 1e3));
            }
            if count % 500 == 0 {
                peak_kib = peak_kib.max(resident_kib());
            }
            let credit = BatchBuilder::new(Schema::Credits).int64([position as i64]).int64([1]).utf8([""]).build();
            let credit = credit.map_err(|e| NodeError::contract("credits", e))?;
            edges.send("credits", message.header.with_kind(Kind::Data), credit)?;
        }
        let seconds = start.elapsed().as_secs_f64();
        Event::info(format!(
            "{count} tensors, {:.1} MB in {seconds:.2} s: {:.0} messages/s; resident memory of the sink at most {:.0} MB",
            bytes as f64 / 1e6,
            count as f64 / seconds,
            peak_kib as f64 / 1024.0
        ))
        .emit();
        Ok(())
    }
}

/// Resident memory of this process in KiB; 0 where it cannot be known.
fn resident_kib() -> u64 {
    std::fs::read_to_string("/proc/self/status")
        .ok()
        .and_then(|s| s.lines().find_map(|l| l.strip_prefix("VmRSS:")?.trim().strip_suffix(" kB")?.trim().parse().ok()))
        .unwrap_or(0)
}
