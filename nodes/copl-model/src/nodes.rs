//! Encoders in nodes of their own, as the model's loop sees them.
//!
//! The arithmetic of a step asks for messages in the midst of forward and backward passes, and the edges belong to the
//! node's loop. So the arithmetic runs on a thread of its own while the loop does what it is asked for: send this, wait
//! for that. One of the two works at a time; messages of other inputs wait their turn.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use candle_core::Device;
use copl_contract::schema::Schema;
use copl_contract::{Edges, ExitCode, Header, Kind, Message, NodeError, Split};
use copl_learning::config::NODE;
use copl_networks::encoders::Modality;
use copl_networks::handles::{EncoderMessage, IntroducedEncoder, Link, RemoteEncoder};
use copl_networks::wire::{self, Introduction};
use copl_networks::{Error, Result};

use super::join::Join;
use super::settings::CoplModelSettings;

/// Stack of the arithmetic's thread: candle's gradient walk recurses; pages that are not touched cost nothing.
const STACK_BYTES: usize = 1 << 30;

/// The edges of a modality, in and out.
pub(super) fn edge(modality: Modality) -> &'static str {
    match modality {
        Modality::Visual => "visual",
        Modality::Audio => "audio",
    }
}

/// The modality of an input, if an encoder node answers on it.
pub(super) fn modality(input: &str) -> Option<Modality> {
    [Modality::Visual, Modality::Audio].into_iter().find(|m| edge(*m) == input)
}

/// What the arithmetic asks of the loop.
enum Turn {
    Send(Modality, EncoderMessage),
    Receive(Modality),
    /// It is over.
    Over,
}

/// The arithmetic's end.
struct Channel {
    turns: Mutex<Sender<Turn>>,
    answers: Mutex<Receiver<Result<EncoderMessage, String>>>,
}

impl Channel {
    fn ask(&self, turn: Turn) -> Result<()> {
        let turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        turns.send(turn).map_err(|_| Error::Segments("the node's loop has ended".to_string()))
    }
}

impl Link for Channel {
    fn send(&self, to: Modality, message: EncoderMessage) -> Result<()> {
        self.ask(Turn::Send(to, message))
    }

    fn receive(&self, from: Modality) -> Result<EncoderMessage> {
        self.ask(Turn::Receive(from))?;
        let answers = self.answers.lock().unwrap_or_else(PoisonError::into_inner);
        answers.recv().unwrap_or_else(|_| Err("the node's loop has ended".to_string())).map_err(Error::Segments)
    }
}

/// Says that the arithmetic is over, however it ends.
struct Ending(Arc<Channel>);

impl Drop for Ending {
    fn drop(&mut self) {
        // The loop is gone only when it has an error of its own to tell.
        let _ = self.0.ask(Turn::Over);
    }
}

/// The loop's end.
pub(super) struct EncoderNodes {
    channel: Arc<Channel>,
    turns: Receiver<Turn>,
    answers: Sender<Result<EncoderMessage, String>>,
    connected: Vec<Modality>,
    waiting: VecDeque<(Modality, Message)>,
    /// Time spent waiting for encoders since it was last asked for.
    waited: Duration,
    traffic: Traffic,
}

/// What has crossed in training, all encoder nodes together.
#[derive(Default)]
struct Traffic {
    steps: u64,
    sent: usize,
    received: usize,
}

impl EncoderNodes {
    /// Waits until every encoder node of the settings has introduced itself; other messages go to `join`.
    pub(super) fn meet(
        settings: &CoplModelSettings,
        edges: &mut Edges,
        join: &mut Join,
        device: &Device,
    ) -> Result<(Self, [Option<IntroducedEncoder>; 2]), NodeError> {
        let names =
            [(Modality::Visual, &settings.own.visual_encoder.0), (Modality::Audio, &settings.own.audio_encoder.0)];
        let connected: Vec<Modality> = names.into_iter().filter(|(_, name)| *name == NODE).map(|(m, _)| m).collect();
        #[allow(clippy::disallowed_methods, reason = "one of the two ends works at a time")]
        let ((turns_in, turns), (answers, answers_out)) = (channel(), channel());
        let channel = Arc::new(Channel { turns: Mutex::new(turns_in), answers: Mutex::new(answers_out) });
        let (waiting, waited) = (VecDeque::new(), Duration::ZERO);
        let traffic = Traffic::default();
        let mut nodes = Self { channel, turns, answers, connected, waiting, waited, traffic };
        let mut met = [None, None];
        for modality in nodes.connected.clone() {
            let missing = |edge: &str| NodeError::contract(edge, "not declared, though the encoder is a node");
            if !edges.has_output(edge(modality)) {
                return Err(missing(edge(modality)));
            }
            edges.state("waiting for an encoder");
            let message = nodes.next(modality, edges, join)?;
            let broken = |problem: String| NodeError::contract(edge(modality), problem);
            if message.header.schema != Some(Schema::Encoder) {
                return Err(broken("an encoder's first message is `encoder`, what it is".to_owned()));
            }
            let about = Introduction::read(&message.batch).map_err(broken)?;
            let info = about.handle(modality).map_err(broken)?;
            met[usize::from(modality == Modality::Audio)] = Some(IntroducedEncoder {
                name: about.name,
                weights: about.weights,
                parameters: about.parameters,
                tensors: about.tensors,
                class_tokens: about.class_tokens,
                out_dim: about.out_dim,
                handle: Arc::new(RemoteEncoder::new(modality, info, nodes.channel.clone(), device.clone())),
            });
        }
        Ok((nodes, met))
    }

    /// Whether the encoder of a modality is a node.
    pub(super) fn has(&self, modality: Modality) -> bool {
        self.connected.contains(&modality)
    }

    /// Time spent waiting for encoders since this was last asked.
    pub(super) fn waited(&mut self) -> Duration {
        std::mem::take(&mut self.waited)
    }

    /// A training step is over.
    pub(super) fn end_of_step(&mut self) {
        self.traffic.steps += 1;
    }

    /// Bytes of tensors that went to encoder nodes and came from them in a training step, in the mean; none without
    /// nodes or steps.
    pub(super) fn bytes_a_step(&self) -> Option<(u64, u64)> {
        let Traffic { steps, sent, received } = self.traffic;
        let mean = |bytes: usize| bytes as u64 / steps;
        (steps > 0 && !self.connected.is_empty()).then(|| (mean(sent), mean(received)))
    }

    /// Does arithmetic that may need encoder nodes; `header` is that of the step, of `clips` clips.
    pub(super) fn serve<T: Send>(
        &mut self,
        edges: &mut Edges,
        join: &mut Join,
        (header, clips): (&Header, usize),
        arithmetic: impl FnOnce() -> Result<T> + Send,
    ) -> Result<T, NodeError> {
        let failed = |e: &dyn std::fmt::Display| NodeError::failed(ExitCode::NodeFailed, e);
        if self.connected.is_empty() {
            return arithmetic().map_err(|e| failed(&e));
        }
        std::thread::scope(|scope| {
            let ending = Ending(self.channel.clone());
            let work = std::thread::Builder::new().name("arithmetic".to_owned()).stack_size(STACK_BYTES).spawn_scoped(
                scope,
                move || {
                    let _ending = ending;
                    arithmetic()
                },
            );
            let work = work.map_err(|e| failed(&e))?;
            let mut broken = None;
            while let Ok(turn) = self.turns.recv() {
                match turn {
                    Turn::Over => break,
                    // Nothing more is sent after an error; the arithmetic finds out at its next wait.
                    Turn::Send(..) if broken.is_some() => {}
                    Turn::Send(to, message) => {
                        if header.split == Split::Train {
                            self.traffic.sent += message.bytes();
                        }
                        broken = send(edges, header, clips, to, &message).err();
                    }
                    Turn::Receive(from) => {
                        let found = match &broken {
                            Some(_) => Err("an encoder cannot be reached".to_owned()),
                            None => self.receive(from, edges, join, header).map_err(|e| {
                                let text = e.to_string();
                                broken = Some(e);
                                text
                            }),
                        };
                        // The arithmetic waits for this.
                        let _ = self.answers.send(found);
                    }
                }
            }
            let done = work.join();
            match (broken, done) {
                (Some(error), _) => Err(error),
                (None, Ok(result)) => result.map_err(|e| failed(&e)),
                (None, Err(_)) => {
                    Err(NodeError::failed(ExitCode::Internal, "the arithmetic panicked; see the lines above"))
                }
            }
        })
    }

    fn receive(
        &mut self,
        from: Modality,
        edges: &mut Edges,
        join: &mut Join,
        header: &Header,
    ) -> Result<EncoderMessage, NodeError> {
        let start = Instant::now();
        let message = self.next(from, edges, join)?;
        self.waited += start.elapsed();
        edges.state("computing");
        let broken = |problem: String| NodeError::contract(edge(from), problem);
        let place = |h: &Header| (h.epoch, h.split, h.step);
        if place(&message.header) != place(header) {
            let (found, due) = (place(&message.header), place(header));
            return Err(broken(format!("an answer of (epoch, split, step) {found:?}, this is {due:?}")));
        }
        let message = wire::message(&message).map_err(broken)?;
        if header.split == Split::Train {
            self.traffic.received += message.bytes();
        }
        Ok(message)
    }

    /// The next message of an encoder; clips that arrive meanwhile wait their turn.
    fn next(&mut self, from: Modality, edges: &mut Edges, join: &mut Join) -> Result<Message, NodeError> {
        let place = self.waiting.iter().position(|(modality, _)| *modality == from);
        if let Some((_, message)) = place.and_then(|place| self.waiting.remove(place)) {
            return Ok(message);
        }
        while let Some(message) = edges.recv()? {
            match modality(&message.input) {
                Some(modality) if message.header.kind != Kind::Data => {
                    return Err(NodeError::contract(edge(modality), "ended while an answer was due"));
                }
                Some(modality) if modality == from => return Ok(message),
                Some(modality) => self.waiting.push_back((modality, message)),
                None if message.input == "gradients" => {
                    return Err(NodeError::contract("gradients", "an answer nobody asked for"));
                }
                None => join.add(message),
            }
        }
        Err(NodeError::contract(edge(from), "ended while an answer was due"))
    }
}

fn send(
    edges: &mut Edges,
    header: &Header,
    clips: usize,
    to: Modality,
    message: &EncoderMessage,
) -> Result<(), NodeError> {
    let rows = wire::rows(message, clips).map_err(|e| NodeError::contract(edge(to), e))?;
    edges.send(edge(to), header.clone(), rows)
}
