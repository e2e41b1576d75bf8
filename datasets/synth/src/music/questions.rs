//! Every question that has one clear answer in an ensemble, for each of the official templates. What a question means here:
//!
//! - *in the video* is in view; *heard* and *sound* count players out of view too, *sounding in the video* those in view.
//! - *louder*, *more rhythmic* (more notes a second) and *longer* compare two players that sound, never equal ones; an
//!   instrument is compared only where one player of it sounds.
//! - *first* and *last* go by when players begin; where two begin together nothing is asked but who of equal instruments
//!   did, to which the answer is "simultaneously".
//! - places are named among three at most; next to an instrument is asked where one stands on that side.

use copl_datasets::{
    ave::SEGMENTS,
    music_avqa::templates::{TEMPLATES, Template},
};

use super::{
    ensemble::{Ensemble, Player, Span},
    instruments::INSTRUMENTS,
};
use crate::catalog::Category;

/// A question and its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// Index into [`TEMPLATES`].
    pub template: usize,
    pub values: Vec<&'static str>,
    pub answer: &'static str,
}

const COUNTS: [&str; 6] = ["zero", "one", "two", "three", "four", "five"];
const PLACES: [&str; 3] = ["left", "middle", "right"];
const ORDER: [&str; 5] = ["first", "second", "third", "fourth", "fifth"];

fn yes_no(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn name(player: &Player) -> &'static str {
    INSTRUMENTS[player.instrument].name
}

/// Every question about the ensemble, by template; asked for are the first `instruments`.
pub(super) fn all(ensemble: &Ensemble, instruments: usize) -> Vec<Asked> {
    let plot = Plot::new(ensemble, &INSTRUMENTS[..instruments]);
    let mut all = Vec::new();
    for (template, Template { text, .. }) in TEMPLATES.iter().enumerate() {
        all.extend(plot.ask(text.trim_end()).into_iter().map(|(values, answer)| Asked { template, values, answer }));
    }
    all
}

type Asks = Vec<(Vec<&'static str>, &'static str)>;
type Heard<'a> = (&'a Player, Span);

struct Plot<'a> {
    ensemble: &'a Ensemble,
    /// Those that are asked for.
    instruments: &'static [Category],
    seen: Vec<&'a Player>,
    heard: Vec<Heard<'a>>,
}

impl<'a> Plot<'a> {
    fn new(ensemble: &'a Ensemble, instruments: &'static [Category]) -> Self {
        Self { ensemble, instruments, seen: ensemble.seen().collect(), heard: ensemble.heard().collect() }
    }

    fn ask(&self, template: &str) -> Asks {
        let louder = |a: Heard, b: Heard| (a.0.level_db != b.0.level_db).then_some(a.0.level_db > b.0.level_db);
        let quicker = |a: Heard, b: Heard| (a.0.notes != b.0.notes).then_some(a.0.notes > b.0.notes);
        let longer = |a: Heard, b: Heard| (a.1.secs().abs_diff(b.1.secs()) >= 2).then(|| a.1.secs() > b.1.secs());
        let seen_of = |type_: usize| self.seen.iter().filter(|player| player.instrument == type_).count();
        let heard_of = |type_: usize| self.heard.iter().filter(|(player, _)| player.instrument == type_).count();
        let sounding = self.heard.iter().filter(|(player, _)| player.slot.is_some()).count();
        match template {
            "Are there <Object> and <Object> sound?" => self.both(|type_| heard_of(type_) > 0),
            "How many musical instruments were heard throughout the video?" => count(self.heard.len()),
            "Is there a <Object> sound?" => self.each(|type_| yes_no(heard_of(type_) > 0)),
            "Is the <Object> louder than the <Object>?" => self.compare(louder),
            "Is the <Object> more rhythmic than the <Object>?" => self.compare(quicker),
            "Is the <Object> playing longer than the <Object>?" => self.compare(longer),
            "Are there <Object> and <Object> instruments in the video?" => self.both(|type_| seen_of(type_) > 0),
            "How many <Object> are in the entire video?" => self.each(|type_| COUNTS[seen_of(type_)]),
            "How many types of musical instruments appeared in the entire video?" => {
                count(types(self.seen.iter().copied()))
            }
            "Is there a <Object> in the entire video?" => self.each(|type_| yes_no(seen_of(type_) > 0)),
            "What is the instrument on the <LR> of <Object>?" => self.neighbours(),
            "What kind of instrument is the <LRer> instrument?" => match self.seen.as_slice() {
                [leftest, .., rightest] => vec![(vec!["leftest"], name(leftest)), (vec!["rightest"], name(rightest))],
                _ => Vec::new(),
            },
            "What kind of musical instrument is it?" => match self.seen.as_slice() {
                [only] => vec![(Vec::new(), name(only))],
                _ => Vec::new(),
            },
            "Where is the performance?" => {
                vec![(Vec::new(), if self.ensemble.outdoor { "outdoor" } else { "indoor" })]
            }
            "Is the <Object> in the video always playing?" => self.always(),
            "Is there a voiceover?" => vec![(Vec::new(), yes_no(self.ensemble.voiceover.is_some()))],
            "Is this sound from the instrument in the video?" => match (sounding, self.ensemble.voiceover) {
                (0, None) => vec![(Vec::new(), "no")],
                (n, None) if n == self.heard.len() => vec![(Vec::new(), "yes")],
                _ => Vec::new(),
            },
            "How many instruments are sounding in the video?" => count(sounding),
            "How many instruments in the video did not sound from beginning to end?" => {
                count(self.seen.len() - sounding)
            }
            "How many sounding <Object> in the video\u{ff1f}" => self.each(|type_| {
                let of_type = |player: &Player| player.instrument == type_ && player.sounds.is_some();
                COUNTS[self.seen.iter().filter(|player| of_type(player)).count()]
            }),
            "How many types of musical instruments sound in the video?" => {
                count(types(self.seen.iter().copied().filter(|player| player.sounds.is_some())))
            }
            "Is the <FL> sound coming from the <LR> instrument?" => self.is_end_at(),
            "What is the <LR> instrument of the <FL> sounding instrument?" => self.beside_ends(),
            "Where is the <LL> instrument?" => self.extremes(),
            "Which is the musical instrument that sounds at the same time as the <Object>?" => self.partners(),
            "Is the <Object> on the <LR> louder than the <Object> on the <LR>?" => self.compare_places(louder, true),
            "Is the <Object> on the <LR> more rhythmic than the <Object> on the <LR>?" => {
                self.compare_places(quicker, true)
            }
            "Is the instrument on the <LR> louder than the instrument on the <LR>?" => {
                self.compare_places(louder, false)
            }
            "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?" => {
                self.compare_places(quicker, false)
            }
            "What is the <TH> instrument that comes in?" => self.entries(),
            "Where is the <FL> sounding instrument?" => {
                let place = |end, player| Some((vec![end], self.ensemble.place(player)?));
                self.ends().into_iter().filter_map(|(end, player)| place(end, player)).collect()
            }
            "Which <Object> makes the sound <FL>?" => self.first_of_equals(),
            "Which instrument makes sounds <BA> the <Object>?" => self.before_and_after(),
            _ => Vec::new(),
        }
    }

    /// Asks about every instrument that is asked for.
    fn each(&self, answer: impl Fn(usize) -> &'static str) -> Asks {
        self.instruments.iter().enumerate().map(|(type_, instrument)| (vec![instrument.name], answer(type_))).collect()
    }

    /// Asks about every ordered pair of different instruments of which one is there at least.
    fn both(&self, there: impl Fn(usize) -> bool) -> Asks {
        let mut asks = Vec::new();
        for (a, first) in self.instruments.iter().enumerate() {
            for (b, second) in self.instruments.iter().enumerate() {
                if a != b && (there(a) || there(b)) {
                    asks.push((vec![first.name, second.name], yes_no(there(a) && there(b))));
                }
            }
        }
        asks
    }

    /// The only player of its instrument that sounds.
    fn sole(&self) -> impl Iterator<Item = Heard<'a>> {
        let alone =
            |one: &&Heard| self.heard.iter().filter(|other| other.0.instrument == one.0.instrument).count() == 1;
        self.heard.iter().filter(alone).copied()
    }

    /// Ordered pairs of instruments that can be told apart by sound.
    fn compare(&self, more: impl Fn(Heard, Heard) -> Option<bool>) -> Asks {
        let pairs = self.sole().flat_map(|a| self.sole().map(move |b| (a, b)));
        pairs.filter_map(|(a, b)| Some((vec![name(a.0), name(b.0)], yes_no(more(a, b)?)))).collect()
    }

    /// Ordered pairs of sounding players in view whose places have names.
    fn compare_places(&self, more: impl Fn(Heard, Heard) -> Option<bool>, named: bool) -> Asks {
        let placed = || self.heard.iter().filter_map(|heard| Some((*heard, self.ensemble.place(heard.0)?)));
        let mut asks = Vec::new();
        for (a, at) in placed() {
            for (b, beside) in placed() {
                let values = if named { vec![name(a.0), at, name(b.0), beside] } else { vec![at, beside] };
                asks.extend(more(a, b).map(|more| (values, yes_no(more))));
            }
        }
        asks
    }

    fn neighbours(&self) -> Asks {
        let alone = |type_| self.seen.iter().filter(|player| player.instrument == type_).count() == 1;
        let of = self.seen.iter().filter(|player| alone(player.instrument));
        of.flat_map(|player| ["left", "right"].map(|side| (side, *player)))
            .filter_map(|(side, player)| Some((vec![side, name(player)], name(self.only_one_beside(player, side)?))))
            .collect()
    }

    /// Who stands on a side of a player, if there is one alone.
    fn only_one_beside(&self, player: &Player, side: &str) -> Option<&'a Player> {
        let slot = player.slot?;
        let there = if side == "left" { &self.seen[..slot] } else { &self.seen[slot + 1..] };
        if let [only] = there { Some(only) } else { None }
    }

    /// By instrument with one player in view.
    fn always(&self) -> Asks {
        let alone = |type_| self.seen.iter().filter(|player| player.instrument == type_).count() == 1;
        let whole = |player: &Player| player.sounds.is_some_and(|span| span.secs() == SEGMENTS);
        let single = self.seen.iter().filter(|player| alone(player.instrument));
        // One of the same instrument out of view would be heard as this one.
        let unseen = |type_| self.heard.iter().any(|(player, _)| player.slot.is_none() && player.instrument == type_);
        single
            .filter(|player| !unseen(player.instrument))
            .map(|player| (vec![name(player)], yes_no(whole(player))))
            .collect()
    }

    /// All sounding players by when they begin; none if the order is not clear somewhere.
    fn in_order(&self) -> Option<Vec<Heard<'a>>> {
        let mut order = self.heard.clone();
        order.sort_by_key(|(_, span)| span.from_secs);
        let clear = order.windows(2).all(|pair| pair[0].1.from_secs < pair[1].1.from_secs);
        (clear && order.len() >= 2).then_some(order)
    }

    /// The first and the last player to begin.
    fn ends(&self) -> Vec<(&'static str, &'a Player)> {
        let Some(order) = self.in_order() else { return Vec::new() };
        let (first, last) = (order.first(), order.last());
        first
            .map(|(player, _)| ("first", *player))
            .into_iter()
            .chain(last.map(|(player, _)| ("last", *player)))
            .collect()
    }

    fn is_end_at(&self) -> Asks {
        let named =
            PLACES.iter().filter(|place| self.seen.iter().any(|player| self.ensemble.place(player) == Some(**place)));
        let named: Vec<&'static str> = named.copied().collect();
        let asks = |(end, player): (&'static str, &'a Player)| {
            let place = self.ensemble.place(player);
            let named = if place.is_some() { named.as_slice() } else { &[] };
            named.iter().map(move |asked| (vec![end, *asked], yes_no(place == Some(*asked)))).collect::<Vec<_>>()
        };
        self.ends().into_iter().flat_map(asks).collect()
    }

    fn beside_ends(&self) -> Asks {
        let sides = self.ends().into_iter().flat_map(|(end, player)| ["left", "right"].map(|side| (side, end, player)));
        sides
            .filter_map(|(side, end, player)| Some((vec![side, end], name(self.only_one_beside(player, side)?))))
            .collect()
    }

    fn extremes(&self) -> Asks {
        if self.heard.len() < 2 {
            return Vec::new();
        }
        let loudest = self.heard.iter().max_by_key(|(player, _)| player.level_db);
        let lowest = self.heard.iter().min_by_key(|(player, _)| player.level_db);
        let place = |(what, heard): (&'static str, Option<&Heard>)| Some((vec![what], self.ensemble.place(heard?.0)?));
        [("loudest", loudest), ("lowest", lowest)].into_iter().filter_map(place).collect()
    }

    fn partners(&self) -> Asks {
        let partner = |one: Heard<'a>| {
            let others = self.heard.iter().filter(|other| other.0 != one.0 && other.1.overlaps(one.1));
            match others.collect::<Vec<_>>().as_slice() {
                [only] => Some((vec![name(one.0)], name(only.0))),
                _ => None,
            }
        };
        self.sole().filter_map(partner).collect()
    }

    fn entries(&self) -> Asks {
        let order = self.in_order().unwrap_or_default();
        order.iter().zip(ORDER).map(|((player, _), which)| (vec![which], name(player))).collect()
    }

    /// Two players of one instrument, and no third that sounds.
    fn first_of_equals(&self) -> Asks {
        let mut asks = Vec::new();
        for (n, a) in self.heard.iter().enumerate() {
            for b in &self.heard[n + 1..] {
                let same = self.heard.iter().filter(|other| other.0.instrument == a.0.instrument).count();
                let places = self.ensemble.place(a.0).zip(self.ensemble.place(b.0));
                let (Some((at, beside)), true) = (places, a.0.instrument == b.0.instrument && same == 2) else {
                    continue;
                };
                if a.1.from_secs == b.1.from_secs {
                    asks.push((vec![name(a.0), "first"], "simultaneously"));
                    continue;
                }
                let (first, last) = if a.1.from_secs < b.1.from_secs { (at, beside) } else { (beside, at) };
                asks.extend([(vec![name(a.0), "first"], first), (vec![name(a.0), "last"], last)]);
            }
        }
        asks
    }

    /// Where one player alone begins before, or after, the only one of an instrument.
    fn before_and_after(&self) -> Asks {
        let order = self.in_order().unwrap_or_default();
        let mut asks = Vec::new();
        for one in self.sole() {
            let at = order.iter().position(|other| other.0 == one.0).unwrap_or(order.len());
            if let [before] = &order[..at] {
                asks.push((vec!["before", name(one.0)], name(before.0)));
            }
            if let Some([after]) = order.get(at + 1..) {
                asks.push((vec!["after", name(one.0)], name(after.0)));
            }
        }
        asks
    }
}

fn count(number: usize) -> Asks {
    COUNTS.get(number).map(|word| (Vec::new(), *word)).into_iter().collect()
}

fn types<'a>(players: impl Iterator<Item = &'a Player>) -> usize {
    players.map(|player| player.instrument).collect::<std::collections::BTreeSet<_>>().len()
}
