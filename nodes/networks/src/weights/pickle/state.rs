//! The tensors in what a pickle describes: a state dictionary, at the top or under one of its usual keys.

use std::collections::BTreeMap;

use super::machine::{Id, Objects, Value};
use super::stored::{Kind, Stored};

/// Keys that state dictionaries lie under, as training codes write them.
const KEYS: &[&str] = &["state_dict", "model", "net", "model_state_dict", "module"];
/// Deepest nesting of such keys.
const DEPTH: usize = 3;

/// The keys the tensors lie under, and the tensors by name.
pub(super) fn tensors(objects: &Objects) -> Result<(Vec<String>, BTreeMap<String, Stored>), String> {
    let (mut keys, mut place) = (Vec::new(), objects.root);
    while let Some((key, inner)) = inner(objects, place).filter(|_| keys.len() < DEPTH) {
        keys.push(key);
        place = inner;
    }
    let Some(pairs) = objects.pairs(place) else {
        return Err(format!("no dictionary of tensors: its top is {}", describe(objects, place)));
    };
    let mut found = BTreeMap::new();
    for (key, value) in pairs {
        if let (Some(name), Some(call)) = (objects.text(*key), tensor(objects, *value)) {
            let stored = stored(objects, call).map_err(|reason| format!("tensor {name}: {reason}"))?;
            found.insert(name.to_owned(), stored);
        }
    }
    if found.is_empty() {
        let wanted = KEYS.join(", ");
        return Err(format!("no tensors at its top nor under {wanted}; found: {}", listing(objects, pairs)));
    }
    Ok((keys, found))
}

/// The first of the usual keys that holds a dictionary with tensors in it or below.
fn inner(objects: &Objects, place: Id) -> Option<(String, Id)> {
    let pairs = objects.pairs(place)?;
    KEYS.iter().find_map(|wanted| {
        let (_, value) = pairs.iter().find(|(key, _)| objects.text(*key) == Some(wanted))?;
        holds_tensors(objects, *value, DEPTH).then(|| ((*wanted).to_owned(), *value))
    })
}

fn holds_tensors(objects: &Objects, place: Id, depth: usize) -> bool {
    let Some(pairs) = objects.pairs(place) else { return false };
    pairs.iter().any(|(_, value)| tensor(objects, *value).is_some())
        || depth > 0
            && KEYS.iter().any(|wanted| {
                let inner = pairs.iter().find(|(key, _)| objects.text(*key) == Some(wanted));
                inner.is_some_and(|(_, value)| holds_tensors(objects, *value, depth - 1))
            })
}

/// The arguments of the tensor's constructor, through parameters and subclasses around it.
fn tensor(objects: &Objects, mut id: Id) -> Option<Id> {
    for _ in 0..DEPTH {
        let Value::Call { module, name, args } = objects.get(id) else { return None };
        id = match (module.as_str(), name.as_str()) {
            ("torch._utils", "_rebuild_tensor_v2") => return Some(*args),
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => {
                *objects.tuple(*args)?.first()?
            }
            // (function, type, arguments, state)
            ("torch._tensor", "_rebuild_from_type_v2") => {
                let parts = objects.tuple(*args)?;
                return match objects.get(*parts.first()?) {
                    Value::Global { name, .. } if name == "_rebuild_tensor_v2" => parts.get(2).copied(),
                    _ => None,
                };
            }
            _ => return None,
        };
    }
    None
}

/// `(storage, offset, shape, strides, ...)`; the storage is `('storage', class, key, device, numbers)`.
fn stored(objects: &Objects, args: Id) -> Result<Stored, String> {
    let odd = || "not described as tensors are".to_owned();
    let args = objects.tuple(args).ok_or_else(odd)?;
    let &[storage, offset, shape, strides, ..] = args else { return Err(odd()) };
    let Value::Persistent(storage) = objects.get(storage) else { return Err(odd()) };
    let storage = objects.tuple(*storage).ok_or_else(odd)?;
    let &[_, class, key, _, numbers, ..] = storage else { return Err(odd()) };
    let Value::Global { module, name } = objects.get(class) else { return Err(odd()) };
    let kind = Kind::of(name).filter(|_| module == "torch");
    let kind = kind.ok_or_else(|| format!("numbers of {module}.{name} are not read"))?;
    let whole = |id: Id| match objects.get(id) {
        Value::Int(number) => usize::try_from(*number).map_err(|_| format!("a size of {number}")),
        _ => Err(odd()),
    };
    let list = |id: Id| objects.tuple(id).ok_or_else(odd)?.iter().map(|id| whole(*id)).collect::<Result<Vec<_>, _>>();
    Ok(Stored {
        entry: objects.text(key).ok_or_else(odd)?.to_owned(),
        kind,
        numbers: whole(numbers)?,
        offset: whole(offset)?,
        shape: list(shape)?,
        strides: list(strides)?,
    })
}

/// The keys of a dictionary with what they hold.
fn listing(objects: &Objects, pairs: &[(Id, Id)]) -> String {
    if pairs.is_empty() {
        return "nothing".to_owned();
    }
    let shown = pairs.iter().take(20).map(|(key, value)| {
        let key = objects.text(*key).unwrap_or("(a key that is no text)");
        format!("{key} ({})", describe(objects, *value))
    });
    let more = if pairs.len() > 20 { format!(", and {} more", pairs.len() - 20) } else { String::new() };
    shown.collect::<Vec<_>>().join(", ") + &more
}

fn describe(objects: &Objects, id: Id) -> String {
    match objects.get(id) {
        Value::Dict(pairs) => format!("dictionary of {}", pairs.len()),
        Value::List(items) | Value::Tuple(items) => format!("list of {}", items.len()),
        Value::Text(_) => "text".to_owned(),
        Value::Int(_) | Value::Bool(_) => "number".to_owned(),
        Value::Call { module, name, .. } | Value::Global { module, name } => format!("{module}.{name}"),
        Value::Persistent(_) => "storage".to_owned(),
        Value::Other => "value".to_owned(),
    }
}
