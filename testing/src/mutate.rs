//! Inputs changed by rule: cut, spliced, doubled, with bits turned and numbers at their limits. The same number of cases
//! gives the same inputs on every machine, so a failure is found again; proptest then looks for the smallest change that fails.
//!
//! `fuzz/` drives the same readers with inputs that coverage leads.

use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestRunner};

/// Numbers at which readers go wrong.
const LIMITS: [u64; 10] = [0, 1, 0x7f, 0xff, 0x7fff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 0x7fff_ffff_ffff_ffff, u64::MAX];

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    /// Turns a bit.
    Flip(Index, u8),
    /// Puts a byte in the place of another.
    Byte(Index, u8),
    /// Writes a number at its limit, of 1, 2, 4 or 8 bytes.
    Limit(Index, usize, u32),
    /// Takes bytes out.
    Remove(Index, usize),
    /// Repeats bytes.
    Repeat(Index, usize, usize),
    /// Cuts the end off.
    Cut(Index),
    /// Puts a piece of another seed in.
    Splice(Index, Index, Index, usize),
    /// Puts a word in.
    Word(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<Index>;
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), any::<u8>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        (at(), 0..LIMITS.len(), 0..4_u32).prop_map(|(at, limit, width)| Change::Limit(at, limit, width)),
        (at(), 1..40_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (at(), 1..40_usize, 1..60_usize).prop_map(|(at, count, times)| Change::Repeat(at, count, times)),
        at().prop_map(Change::Cut),
        (at(), at(), at(), 1..200_usize).prop_map(|(at, seed, from, count)| Change::Splice(at, seed, from, count)),
        (at(), at()).prop_map(|(at, word)| Change::Word(at, word)),
    ]
}

fn apply(change: &Change, bytes: &mut Vec<u8>, seeds: &[Vec<u8>], words: &[&str]) {
    // One place more than there are bytes: behind the last.
    let place = |at: &Index, bytes: &[u8]| at.index(bytes.len() + 1);
    match change {
        Change::Flip(at, bit) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        Change::Byte(at, byte) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        Change::Flip(..) | Change::Byte(..) => {}
        Change::Limit(at, limit, width) => {
            let (at, number) = (place(at, bytes), LIMITS[*limit].to_le_bytes());
            let number = &number[..1 << width];
            let end = (at + number.len()).min(bytes.len());
            bytes.splice(at..end, number.iter().copied());
        }
        Change::Remove(at, count) => {
            let at = place(at, bytes);
            bytes.drain(at..(at + count).min(bytes.len()));
        }
        Change::Repeat(at, count, times) => {
            let at = place(at, bytes);
            let piece = bytes[at..(at + count).min(bytes.len())].repeat(*times);
            bytes.splice(at..at, piece);
        }
        Change::Cut(at) => bytes.truncate(place(at, bytes)),
        Change::Splice(at, seed, from, count) => {
            let (at, other) = (place(at, bytes), &seeds[seed.index(seeds.len())]);
            let from = place(from, other);
            bytes.splice(at..at, other[from..(from + count).min(other.len())].iter().copied());
        }
        Change::Word(at, word) if !words.is_empty() => {
            let at = place(at, bytes);
            bytes.splice(at..at, words[word.index(words.len())].bytes());
        }
        Change::Word(..) => {}
    }
}

/// Runs `test` on every seed as it is, and on `cases` changed ones. `words` are put in where they hurt.
///
/// # Panics
/// If the test panics or refuses an input; the message shows the smallest change that does so.
#[allow(clippy::panic, reason = "it fails the test that called")]
pub fn each(cases: u32, seeds: &[Vec<u8>], words: &[&str], test: impl Fn(&[u8])) {
    for seed in seeds {
        test(seed);
    }
    let inputs = (any::<Index>(), prop::collection::vec(change(), 1..6)).prop_map(|(seed, changes)| {
        let mut bytes = seeds[seed.index(seeds.len())].clone();
        changes.iter().for_each(|change| apply(change, &mut bytes, seeds, words));
        Shown(bytes)
    });
    let failed = runner(cases).run(&inputs, |Shown(bytes)| {
        test(&bytes);
        Ok::<(), TestCaseError>(())
    });
    if let Err(failed) = failed {
        panic!("{failed}");
    }
}

/// Cases that are the same every time. `COPL_TEST_TIMES` makes it so many times as many, and `COPL_TEST_SEED` others.
pub fn runner(cases: u32) -> TestRunner {
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u32>().ok());
    let cases = cases.saturating_mul(given("COPL_TEST_TIMES").unwrap_or(1));
    let seed = RngSeed::Fixed(given("COPL_TEST_SEED").unwrap_or(7).into());
    TestRunner::new(Config { cases, rng_seed: seed, failure_persistence: None, ..Config::default() })
}

/// Bytes that are shown as text where they are one.
struct Shown(Vec<u8>);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}
