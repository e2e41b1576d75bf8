//! A pickle as a graph of values. Nothing is imported, called or built: a call of a constructor of data becomes a
//! [`Value::Call`] with its arguments, any other call is refused by its name.
//!
//! Values live in one list and refer to each other by index, so a value that is mentioned often costs nothing, cycles do no
//! harm, and memory is linear in the pickle's length. The opcodes are those of the protocols 2 to 5 that torch.save,
//! Lightning and NumPy write (Python's Lib/pickletools.py).

use super::super::format::CONVERT;

/// Index of a value.
pub(super) type Id = usize;

/// A value of a pickle.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// None, a float, bytes: nothing that tensors are made of.
    Other,
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    /// The name of a class or function.
    Global {
        module: String,
        name: String,
    },
    /// What a constructor of data was called with.
    Call {
        module: String,
        name: String,
        args: Id,
    },
    /// A reference to a storage, by a tuple.
    Persistent(Id),
}

/// All values of a pickle, and the one it stands for.
#[derive(Debug)]
pub(super) struct Objects {
    values: Vec<Value>,
    pub(super) root: Id,
}

impl Objects {
    pub(super) fn get(&self, id: Id) -> &Value {
        &self.values[id]
    }

    /// The pairs of a dictionary, whether plain, ordered, or one with attributes.
    pub(super) fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Value::Dict(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn tuple(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Constructors of data that checkpoints hold. Their calls are recorded, not made.
const DATA: &[(&str, &[&str])] = &[
    ("torch._utils", &["_rebuild_tensor_v2", "_rebuild_parameter", "_rebuild_parameter_with_state"]),
    ("torch._tensor", &["_rebuild_from_type_v2"]),
    ("torch", &["Size", "device", "Tensor"]),
    ("torch.nn.parameter", &["Parameter"]),
    ("collections", &["OrderedDict", "defaultdict", "Counter", "deque"]),
    ("argparse", &["Namespace"]),
    ("_codecs", &["encode"]),
    ("numpy", &["dtype", "ndarray"]),
    ("numpy.core.multiarray", &["_reconstruct", "scalar"]),
    ("numpy._core.multiarray", &["_reconstruct", "scalar"]),
    ("pathlib", &["Path", "PosixPath", "PurePosixPath", "WindowsPath"]),
    ("builtins", &["set", "frozenset", "bytearray", "complex", "slice", "range"]),
    ("__builtin__", &["set", "frozenset", "bytearray", "complex", "slice", "range"]),
];

/// Packages whose objects lie beside the weights in checkpoints of Lightning; read as data like all else.
const PACKAGES: &[&str] = &["pytorch_lightning.", "lightning.", "lightning_fabric.", "lightning_utilities."];

fn is_data(module: &str, name: &str) -> bool {
    DATA.iter().any(|(m, names)| *m == module && names.contains(&name))
        || PACKAGES.iter().any(|package| module.starts_with(package))
}

/// Reads a pickle.
pub(super) fn read(bytes: &[u8]) -> Result<Objects, String> {
    let mut machine = Machine { rest: bytes, ..Machine::default() };
    loop {
        let at = bytes.len() - machine.rest.len();
        match machine.step() {
            Ok(None) => {}
            Ok(Some(root)) => return Ok(Objects { values: machine.values, root }),
            Err(Problem::Broken(what)) => return Err(format!("its pickle is broken at byte {at}: {what}")),
            Err(Problem::Code(what)) => {
                return Err(format!(
                    "its pickle would run {what}; nothing was run, and the file is refused; {CONVERT}"
                ));
            }
        }
    }
}

enum Problem {
    Broken(String),
    Code(String),
}

fn broken<T>(what: impl Into<String>) -> Result<T, Problem> {
    Err(Problem::Broken(what.into()))
}

#[derive(Default)]
struct Machine<'a> {
    rest: &'a [u8],
    values: Vec<Value>,
    stack: Vec<Id>,
    /// Heights of the stack at the open marks.
    marks: Vec<usize>,
    memo: std::collections::HashMap<u64, Id>,
}

impl<'a> Machine<'a> {
    /// One opcode; the value the pickle stands for at its end.
    fn step(&mut self) -> Result<Option<Id>, Problem> {
        let code = self.bytes(1)?[0];
        match code {
            b'.' => return Ok(Some(self.pop()?)),
            // Protocol and frames.
            0x80 => drop(self.bytes(1)?),
            0x95 => drop(self.bytes(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'1' => drop(self.since_mark()?),
            b'2' => {
                let top = self.top()?;
                self.stack.push(top);
            }
            b'N' => self.push(Value::Other),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            b'G' => {
                self.bytes(8)?;
                self.push(Value::Other);
            }
            b'K' | b'M' | b'J' => {
                let value = match code {
                    b'K' => i64::from(self.bytes(1)?[0]),
                    b'M' => self.number(2)? as i64,
                    _ => i64::from(self.number(4)? as u32 as i32),
                };
                self.push(Value::Int(value));
            }
            0x8a => self.long(1)?,
            0x8b => self.long(4)?,
            b'X' => self.text(4)?,
            0x8c => self.text(1)?,
            0x8d => self.text(8)?,
            b'C' | b'U' => self.blob(1)?,
            b'B' | b'T' => self.blob(4)?,
            0x8e | 0x96 => self.blob(8)?,
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.since_mark()?;
                self.push(Value::Tuple(items));
            }
            b'l' | 0x91 => {
                let items = self.since_mark()?;
                self.push(Value::List(items));
            }
            b'd' => {
                let pairs = pairs(&self.since_mark()?)?;
                self.push(Value::Dict(pairs));
            }
            0x85..=0x87 => {
                let count = usize::from(code - 0x84);
                let from = self.stack.len().checked_sub(count).filter(|from| *from >= self.floor());
                let Some(from) = from else { return broken("a tuple of more values than there are") };
                let items = self.stack.split_off(from);
                self.push(Value::Tuple(items));
            }
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' | 0x90 => {
                let items = self.since_mark()?;
                self.extend(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(vec![(key, value)])?;
            }
            b'u' => {
                let pairs = pairs(&self.since_mark()?)?;
                self.set(pairs)?;
            }
            b'q' | b'r' => {
                let key = self.number(if code == b'q' { 1 } else { 4 })?;
                let top = self.top()?;
                self.memo.insert(key, top);
            }
            0x94 => {
                let (key, top) = (self.memo.len() as u64, self.top()?);
                self.memo.insert(key, top);
            }
            b'h' | b'j' => {
                let key = self.number(if code == b'h' { 1 } else { 4 })?;
                let Some(id) = self.memo.get(&key).copied() else {
                    return broken("nothing was kept under that number");
                };
                self.stack.push(id);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Global { module, name });
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (&self.values[module], &self.values[name]) {
                    (Value::Text(module), Value::Text(name)) => {
                        let (module, name) = (module.clone(), name.clone());
                        self.push(Value::Global { module, name });
                    }
                    _ => return broken("a name that is no text"),
                }
            }
            b'Q' => {
                let id = self.pop()?;
                self.push(Value::Persistent(id));
            }
            b'R' | 0x81 => self.call()?,
            0x92 => {
                self.pop()?;
                self.call()?;
            }
            b'b' => self.build()?,
            b'i' | b'o' => return Err(Problem::Code("an old-style call (opcode INST or OBJ)".to_owned())),
            0x82..=0x84 => return Err(Problem::Code("an object of Python's extension registry".to_owned())),
            _ => return broken(format!("opcode {code:#04x}")),
        }
        Ok(None)
    }

    /// A call: an empty ordered dictionary becomes a dictionary, other constructors of data are recorded.
    fn call(&mut self) -> Result<(), Problem> {
        let (args, callable) = (self.pop()?, self.pop()?);
        let Value::Global { module, name } = self.values[callable].clone() else {
            return Err(Problem::Code("the result of another call".to_owned()));
        };
        if !is_data(&module, &name) {
            return Err(Problem::Code(format!("{module}.{name}")));
        }
        if module == "collections" && matches!(name.as_str(), "OrderedDict" | "defaultdict" | "Counter") {
            let pairs = self.listed(args);
            self.push(Value::Dict(pairs));
        } else {
            self.push(Value::Call { module, name, args });
        }
        Ok(())
    }

    /// The pairs an ordered dictionary was made of: `([[key, value], ...],)`, or none.
    fn listed(&self, args: Id) -> Vec<(Id, Id)> {
        let items = |id: Id| match &self.values[id] {
            Value::Tuple(items) | Value::List(items) => Some(items),
            _ => None,
        };
        let all = items(args).and_then(|args| items(*args.first()?));
        all.into_iter()
            .flatten()
            .filter_map(|id| items(*id))
            .filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)))
            .collect()
    }

    /// State of an object: attributes of a dictionary or of recorded data are no tensors of ours.
    fn build(&mut self) -> Result<(), Problem> {
        self.pop()?;
        let object = self.top()?;
        match &self.values[object] {
            Value::Call { .. } | Value::Dict(_) => Ok(()),
            Value::Global { module, name } => Err(Problem::Code(format!("the state of {module}.{name}"))),
            _ => broken("state for a value that has none"),
        }
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<(), Problem> {
        let list = self.top()?;
        match &mut self.values[list] {
            Value::List(all) => all.extend(items),
            Value::Call { .. } => {}
            _ => return broken("items for a value that is no list"),
        }
        Ok(())
    }

    fn set(&mut self, pairs: Vec<(Id, Id)>) -> Result<(), Problem> {
        let dict = self.top()?;
        match &mut self.values[dict] {
            Value::Dict(all) => all.extend(pairs),
            Value::Call { .. } => {}
            _ => return broken("pairs for a value that is no dictionary"),
        }
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.len());
        self.values.push(value);
    }

    /// Values below the innermost mark are out of reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Problem> {
        if self.stack.len() <= self.floor() {
            return broken("no value is left");
        }
        self.stack.pop().map_or_else(|| broken("no value is left"), Ok)
    }

    fn top(&self) -> Result<Id, Problem> {
        self.stack.last().copied().map_or_else(|| broken("no value is left"), Ok)
    }

    fn since_mark(&mut self) -> Result<Vec<Id>, Problem> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => broken("no mark is open"),
        }
    }

    fn bytes(&mut self, count: usize) -> Result<&'a [u8], Problem> {
        match self.rest.split_at_checked(count) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(bytes)
            }
            None => broken(format!("{count} bytes are wanted, {} are left", self.rest.len())),
        }
    }

    /// A little-endian number of `width` bytes.
    fn number(&mut self, width: usize) -> Result<u64, Problem> {
        let bytes = self.bytes(width)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Bytes after their count.
    fn counted(&mut self, width: usize) -> Result<&'a [u8], Problem> {
        let count = self.number(width)?;
        self.bytes(usize::try_from(count).unwrap_or(usize::MAX))
    }

    fn text(&mut self, width: usize) -> Result<(), Problem> {
        let bytes = self.counted(width)?;
        let Ok(text) = std::str::from_utf8(bytes) else { return broken("text that is not UTF-8") };
        self.push(Value::Text(text.to_owned()));
        Ok(())
    }

    fn blob(&mut self, width: usize) -> Result<(), Problem> {
        self.counted(width)?;
        self.push(Value::Other);
        Ok(())
    }

    /// A whole number of any length; beyond 64 bits it is none of ours.
    fn long(&mut self, width: usize) -> Result<(), Problem> {
        let bytes = self.counted(width)?;
        if bytes.len() > 8 {
            self.push(Value::Other);
            return Ok(());
        }
        let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
        let mut all = [if negative { 0xff } else { 0 }; 8];
        all[..bytes.len()].copy_from_slice(bytes);
        self.push(Value::Int(i64::from_le_bytes(all)));
        Ok(())
    }

    fn line(&mut self) -> Result<String, Problem> {
        let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') else { return broken("a line without end") };
        let line = self.bytes(end + 1)?;
        match std::str::from_utf8(&line[..end]) {
            Ok(text) => Ok(text.trim_end_matches('\r').to_owned()),
            Err(_) => broken("a name that is not UTF-8"),
        }
    }
}

fn pairs(items: &[Id]) -> Result<Vec<(Id, Id)>, Problem> {
    if !items.len().is_multiple_of(2) {
        return broken("a key without value");
    }
    Ok(items.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}
