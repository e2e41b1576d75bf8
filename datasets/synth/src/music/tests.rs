//! What is rendered and asked against what the plot says.

use std::collections::{BTreeMap, BTreeSet};

use copl_datasets::music_avqa::{QuestionKind, templates::TEMPLATES};

use super::{questions::Asked, *};

fn small() -> MusicOptions {
    let size =
        MusicOptions { width: 96, height: 72, frames_per_sec: 4, sample_rate_hz: 8_000, ..MusicOptions::default() };
    MusicOptions { train: 12, val: 0, test: 0, instruments: 8, players: 4, noise: 0.0, ..size }
}

fn asked(options: &MusicOptions, split: Split) -> Vec<Vec<Asked>> {
    let plans = plan(options);
    lists::ask(split, plans.iter().filter(|plan| plan.key.split == split).map(|plan| &plan.ensemble), options)
}

fn frames(plan: &Plan, ensemble: &Ensemble, options: &SynthOptions) -> Vec<Vec<u8>> {
    let mut film = Film::new(plan.key, ensemble, options);
    (0..film.frames())
        .map(|index| {
            let mut rgb = Vec::new();
            film.render(index, &mut rgb);
            rgb
        })
        .collect()
}

/// Without sensor noise nothing changes from frame to frame but an instrument that sounds.
#[test]
fn instruments_move_exactly_while_they_sound() {
    let film = small().film();
    for plan in plan(&small()) {
        let frames = frames(&plan, &plan.ensemble, &film);
        for (index, pair) in frames.windows(2).enumerate() {
            let second = index / 4;
            let plays = plan
                .ensemble
                .seen()
                .any(|player| player.sounds.is_some_and(|span| (span.from_secs..span.to_secs).contains(&second)));
            let changed = pair[0].chunks(3).zip(pair[1].chunks(3)).filter(|(a, b)| a != b).count();
            let what = format!("{} frame {index}: {changed} pixels change, {:?}", plan.video_id, plan.ensemble);
            assert!(if plays { changed >= 4 } else { changed == 0 }, "{what}");
        }
    }
}

/// The root mean square of every track, in the seconds it sounds, is as far below the loudest as its level says.
#[test]
fn players_are_as_loud_as_their_level_and_silent_outside_their_seconds() {
    let film = small().film();
    let rate = film.sample_rate_hz as usize;
    for plan in plan(&small()) {
        let tracks = sound::tracks(plan.key, &plan.ensemble, &film);
        let mut loudest = None;
        let mut heard: Vec<_> = plan.ensemble.heard().zip(&tracks).collect();
        heard.sort_by_key(|((player, _), _)| -player.level_db);
        for ((player, span), track) in heard {
            let inside = &track[span.from_secs * rate..span.to_secs * rate];
            let power: f64 = inside.iter().map(|sample| f64::from(*sample).powi(2)).sum();
            assert_eq!(power, track.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>(), "{}", plan.video_id);
            let level = 10.0 * (power / inside.len() as f64).log10();
            let top = *loudest.get_or_insert(level);
            let name = instruments::INSTRUMENTS[player.instrument].name;
            assert!((level - top - f64::from(player.level_db)).abs() < 1.0, "{name} {level} {top} {player:?}");
            for (second, samples) in inside.chunks(rate).enumerate() {
                assert!(samples.iter().any(|sample| sample.abs() > 1e-4), "{name} is silent in its second {second}");
            }
        }
    }
}

#[test]
fn samples_do_not_clip_and_are_not_faint() {
    for plan in plan(&small()) {
        let pcm = sound::render(plan.key, &plan.ensemble, &small().film());
        let peak = pcm.iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!((1_500..32_767).contains(&peak), "{}: peak {peak}", plan.video_id);
    }
}

#[test]
fn no_two_instruments_look_or_sound_the_same() {
    let pose = crate::picture::mini::Pose { phase: 0.3, detail: [0.5; 4] };
    let grid = || (-8..8).flat_map(|x| (-8..8).map(move |y| (x as f32 / 8.0, y as f32 / 8.0)));
    let looks: BTreeSet<String> = instruments::INSTRUMENTS
        .iter()
        .map(|instrument| {
            grid().map(|(x, y)| if instrument.look.at(x, y, &pose).distance < 0.0 { '#' } else { ' ' }).collect()
        })
        .collect();
    assert_eq!(looks.len(), 8);
    let voices: BTreeSet<usize> =
        instruments::INSTRUMENTS.iter().map(|instrument| instrument.voice.sound as usize).collect();
    assert_eq!(voices.len(), 8);
}

#[test]
fn all_kinds_and_templates_are_asked_about() {
    // Ten questions are found equally often of each kind in large ensembles; of two players there are fewer to compare.
    for (instruments, players, questions, bounds) in [(8, 4, 10, 200..340), (4, 2, 20, 200..1000)] {
        let options = MusicOptions { instruments, players, questions, ..MusicOptions::default() };
        let asked: Vec<Asked> = asked(&options, Split::Train).into_iter().flatten().collect();
        assert_eq!(asked.len(), 240 * questions);
        let mut kinds: BTreeMap<QuestionKind, usize> = BTreeMap::new();
        for asked in &asked {
            *kinds.entry(TEMPLATES[asked.template].kind).or_default() += 1;
        }
        assert!(kinds.len() == 9 && kinds.values().all(|count| bounds.contains(count)), "{kinds:?}");
        let templates: BTreeSet<usize> = asked.iter().map(|asked| asked.template).collect();
        let left: Vec<&str> = (0..33).filter(|n| !templates.contains(n)).map(|n| TEMPLATES[n].text).collect();
        assert!(left.is_empty(), "never asked: {left:?}");
    }
}

/// Shares of right answers on the test split, in per cent: always the answer that is most frequent in training; and the
/// answer most frequent in training for the template and its values, for the template alone where those are new.
fn blind_scores(options: &MusicOptions) -> (f64, f64) {
    let [train, test] =
        [Split::Train, Split::Test].map(|split| asked(options, split).into_iter().flatten().collect::<Vec<Asked>>());
    let mut any: BTreeMap<&str, usize> = BTreeMap::new();
    let mut template: BTreeMap<usize, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut filled: BTreeMap<(usize, &[&str]), BTreeMap<&str, usize>> = BTreeMap::new();
    for asked in &train {
        *any.entry(asked.answer).or_default() += 1;
        *template.entry(asked.template).or_default().entry(asked.answer).or_default() += 1;
        *filled.entry((asked.template, &asked.values)).or_default().entry(asked.answer).or_default() += 1;
    }
    let top = |counts: Option<&BTreeMap<&'static str, usize>>| {
        counts.and_then(|counts| counts.iter().max_by_key(|entry| entry.1)).map(|entry| *entry.0)
    };
    let constant = top(Some(&any));
    let share = |right: &dyn Fn(&Asked) -> bool| {
        100.0 * test.iter().filter(|asked| right(asked)).count() as f64 / test.len() as f64
    };
    let question = |asked: &Asked| {
        top(filled.get(&(asked.template, asked.values.as_slice()))).or_else(|| top(template.get(&asked.template)))
    };
    (share(&|asked| Some(asked.answer) == constant), share(&|asked| question(asked) == Some(asked.answer)))
}

#[test]
fn neither_a_constant_nor_the_question_alone_answers_much() {
    for seed in 0..4 {
        for (instruments, players, questions) in [(4, 2, 20), (8, 4, 10)] {
            let options = MusicOptions { seed, instruments, players, questions, ..MusicOptions::default() };
            let (constant, question) = blind_scores(&options);
            println!("seed {seed}, {instruments} instruments: constant {constant:.1} %, question only {question:.1} %");
            assert!((15.0..32.0).contains(&constant), "constant answer: {constant}");
            assert!((25.0..55.0).contains(&question), "question only: {question}");
        }
    }
}

/// Answers worked out by hand for a plot written by hand: left to right a flute that is silent, a piano from 0 to 10 s,
/// soft and slow, a violin from 3 to 6 s, loud and quick; a drum out of view from 5 s on.
#[test]
fn answers_follow_from_the_plot() {
    use ensemble::{Player, Span};
    let player = |instrument, slot, sounds: Option<(usize, usize)>, level_db, notes| Player {
        instrument,
        slot,
        sounds: sounds.map(|(from_secs, to_secs)| Span { from_secs, to_secs }),
        level_db,
        notes,
    };
    let ensemble = Ensemble {
        outdoor: true,
        voiceover: None,
        players: vec![
            player(3, Some(0), None, 0, 8),
            player(1, Some(1), Some((0, 10)), -12, 8),
            player(0, Some(2), Some((3, 6)), 0, 32),
            player(2, None, Some((5, 10)), -6, 16),
        ],
    };
    let all = questions::all(&ensemble, 8);
    let answer = |text: &str, values: &[&str]| {
        let mut fitting =
            all.iter().filter(|asked| TEMPLATES[asked.template].text.trim_end() == text && asked.values == values);
        let answer = fitting.next().map(|asked| asked.answer);
        assert!(fitting.next().is_none(), "{text} {values:?} is asked twice");
        answer
    };
    for (text, values, expected) in [
        ("How many musical instruments were heard throughout the video?", &[][..], Some("three")),
        ("How many instruments are sounding in the video?", &[], Some("two")),
        ("How many instruments in the video did not sound from beginning to end?", &[], Some("one")),
        ("How many types of musical instruments appeared in the entire video?", &[], Some("three")),
        ("How many sounding <Object> in the video\u{ff1f}", &["flute"], Some("zero")),
        ("Is there a <Object> sound?", &["drum"], Some("yes")),
        ("Is there a <Object> in the entire video?", &["drum"], Some("no")),
        ("Are there <Object> and <Object> sound?", &["flute", "piano"], Some("no")),
        ("Are there <Object> and <Object> instruments in the video?", &["flute", "piano"], Some("yes")),
        ("Is the <Object> louder than the <Object>?", &["violin", "piano"], Some("yes")),
        ("Is the <Object> louder than the <Object>?", &["piano", "drum"], Some("no")),
        ("Is the <Object> louder than the <Object>?", &["piano", "flute"], None),
        ("Is the <Object> more rhythmic than the <Object>?", &["drum", "violin"], Some("no")),
        ("Is the <Object> playing longer than the <Object>?", &["piano", "violin"], Some("yes")),
        ("What is the instrument on the <LR> of <Object>?", &["left", "piano"], Some("flute")),
        ("What is the instrument on the <LR> of <Object>?", &["left", "violin"], None),
        ("What kind of instrument is the <LRer> instrument?", &["rightest"], Some("violin")),
        ("What kind of musical instrument is it?", &[], None),
        ("Where is the performance?", &[], Some("outdoor")),
        ("Is the <Object> in the video always playing?", &["piano"], Some("yes")),
        ("Is the <Object> in the video always playing?", &["violin"], Some("no")),
        ("Is there a voiceover?", &[], Some("no")),
        ("Is this sound from the instrument in the video?", &[], None),
        ("Is the <FL> sound coming from the <LR> instrument?", &["first", "middle"], Some("yes")),
        ("Is the <FL> sound coming from the <LR> instrument?", &["last", "right"], None),
        ("What is the <LR> instrument of the <FL> sounding instrument?", &["right", "first"], Some("violin")),
        ("Where is the <LL> instrument?", &["loudest"], Some("right")),
        ("Where is the <LL> instrument?", &["lowest"], Some("middle")),
        ("Which is the musical instrument that sounds at the same time as the <Object>?", &["piano"], None),
        (
            "Is the <Object> on the <LR> louder than the <Object> on the <LR>?",
            &["piano", "middle", "violin", "right"],
            Some("no"),
        ),
        (
            "Is the instrument on the <LR> more rhythmic than the instrument on the <LR>?",
            &["right", "middle"],
            Some("yes"),
        ),
        ("What is the <TH> instrument that comes in?", &["second"], Some("violin")),
        ("What is the <TH> instrument that comes in?", &["third"], Some("drum")),
        ("Where is the <FL> sounding instrument?", &["first"], Some("middle")),
        ("Where is the <FL> sounding instrument?", &["last"], None),
        ("Which instrument makes sounds <BA> the <Object>?", &["before", "violin"], Some("piano")),
        ("Which instrument makes sounds <BA> the <Object>?", &["after", "violin"], Some("drum")),
        ("Which instrument makes sounds <BA> the <Object>?", &["after", "piano"], None),
    ] {
        assert_eq!(answer(text, values), expected, "{text} {values:?}");
    }
}

#[test]
fn of_two_equal_instruments_one_is_first_or_both_are() {
    use ensemble::{Player, Span};
    let pair = |second: usize| Ensemble {
        outdoor: false,
        voiceover: None,
        players: [(0, 4), (1, second)]
            .map(|(slot, from_secs)| Player {
                instrument: 5,
                slot: Some(slot),
                sounds: Some(Span { from_secs, to_secs: 10 }),
                level_db: -8 * slot as i32,
                notes: 8,
            })
            .to_vec(),
    };
    let first = |second: usize| {
        let fits = |asked: &&Asked| {
            TEMPLATES[asked.template].text.starts_with("Which <Object> makes") && asked.values == ["trumpet", "first"]
        };
        questions::all(&pair(second), 8).iter().find(fits).map(|asked| asked.answer)
    };
    assert_eq!([first(2), first(4), first(6)], [Some("right"), Some("simultaneously"), Some("left")]);
}

/// Every option written out, so that another default leaves the pinned hash as it is.
const PINNED_OPTIONS: &str = r#"{
    "seed": 3, "train": 6, "val": 1, "test": 1, "questions": 5, "width": 64, "height": 48, "frames_per_sec": 2,
    "sample_rate_hz": 8000, "texture_contrast": 0.6, "colour_jitter": 0.2, "noise": 4.0, "snr_db": [18.0, 28.0],
    "pitch_jitter": 2.0, "reverb": 0.25
}"#;

/// Pinned: frames, samples and questions may change only together with `VERSION`.
#[test]
fn frames_samples_and_questions_are_those_of_this_version() {
    assert_eq!(VERSION, 1);
    let options: MusicOptions = serde_json::from_str(PINNED_OPTIONS).unwrap();
    let film = options.film();
    let mut hash = Sha256::new();
    for plan in plan(&options) {
        hash.update(&plan.video_id);
        frames(&plan, &plan.ensemble, &film).iter().for_each(|frame| hash.update(frame));
        sound::render(plan.key, &plan.ensemble, &film).iter().for_each(|sample| hash.update(sample.to_le_bytes()));
    }
    for split in Split::ALL {
        hash.update(format!("{:?}", asked(&options, split)));
    }
    assert_eq!(format!("{:x}", hash.finalize()), "6e28f68fea3b6d9a2ccdd4a04b00da60eca471a6c989e5b7fbf7cf48f49afb5c");
}
