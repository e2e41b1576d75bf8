//! A clip as a row, one schema a task.

use std::path::Path;

use arrow::array::RecordBatch;
use copl_contract::schema::{BatchBuilder, Schema};
use copl_datasets::avsbench::{Foreground, read_mask};
use copl_datasets::music_avqa::vocabulary;
use copl_datasets::{Clip, Media, Target};

/// A row, or why its columns do not fit.
pub(crate) type Row = Result<(Schema, RecordBatch), String>;

/// Why a clip has no row.
#[derive(Debug)]
pub(crate) enum NoRow {
    /// A file of its own is bad: the clip is quarantined.
    Bad(BadClip),
    /// The dataset is not what its reader promises: the run ends.
    Data(String),
}

/// What is wrong with a clip's mask.
#[derive(Debug)]
pub(crate) struct BadClip {
    path: String,
    reason: &'static str,
    detail: String,
}

/// The row of a clip.
pub(crate) fn row(clip: &Clip, classes: &[String]) -> Result<Row, NoRow> {
    let name = |class: u32| classes.get(class as usize).map_or("", String::as_str);
    match (&clip.target, &clip.media) {
        (Target::Events { labels, category, .. }, Media::Video(video)) => {
            let labels: Vec<i32> = labels.iter().map(|l| *l as i32).collect();
            let segments = labels.len();
            let row = BatchBuilder::new(Schema::Clips).utf8([&clip.id]).utf8([video.to_string_lossy()]);
            let row = row.int64([i64::from(*category)]).utf8([name(*category)]);
            Ok(row.tensor_i32(labels, 1, &[segments]).build())
        }
        (Target::Masks { category, masks, foreground }, media) => {
            let (path, pictures) = match media {
                Media::Video(video) => (video, Vec::new()),
                Media::Frames { frames, audio } => (audio, frames.iter().map(|f| f.to_string_lossy()).collect()),
            };
            let Masks { bits, known, shape } = Masks::read(clip, masks, *foreground)?;
            // Clips without a category have number -1 and no name.
            let (number, name) = category.map_or((-1, ""), |category| (i64::from(category), name(category)));
            let row = BatchBuilder::new(Schema::MaskClips).utf8([&clip.id]).utf8([path.to_string_lossy()]);
            let row = row.list_utf8([pictures.as_slice()]).int64([number]).utf8([name]);
            Ok(row.tensor_u8(bits, 1, &shape).tensor_i32(known, 1, &shape[..1]).build())
        }
        (Target::Question { kind, words, answer, .. }, Media::Video(video)) => {
            let numbers = vocabulary::encode(words).ok_or_else(|| {
                NoRow::Data(format!("clip {}: `{}` holds words that are not known", clip.id, words.join(" ")))
            })?;
            let numbers: Vec<i32> = numbers.iter().map(|n| *n as i32).collect();
            let length = numbers.len();
            let row = BatchBuilder::new(Schema::QuestionClips).utf8([&clip.id]).utf8([video.to_string_lossy()]);
            let row = row.utf8([&clip.video_id]).utf8([kind.to_string()]).utf8([words.join(" ")]);
            let row = row.tensor_i32(numbers, 1, &[length]).int64([i64::from(*answer)]);
            Ok(row.list_utf8([classes]).build())
        }
        (_, Media::Frames { .. }) => {
            Err(NoRow::Data(format!("clip {}: extracted pictures belong to segmentation only", clip.id)))
        }
    }
}

/// The tombstone of a clip.
pub(crate) fn tombstone(clip: &Clip, stage: &str, bad: &BadClip) -> Row {
    let row = BatchBuilder::new(Schema::Quarantine).utf8([&clip.id]).utf8([&bad.path]).utf8([stage]);
    row.utf8([bad.reason]).utf8([&bad.detail]).build()
}

/// The masks of a clip, [T, H, W], and which of them there are.
struct Masks {
    bits: Vec<u8>,
    known: Vec<i32>,
    shape: [usize; 3],
}

impl Masks {
    fn read(clip: &Clip, paths: &[Option<impl AsRef<Path>>], foreground: Foreground) -> Result<Self, NoRow> {
        let bad = |path: &Path, reason, detail| {
            NoRow::Bad(BadClip { path: path.to_string_lossy().into_owned(), reason, detail })
        };
        let mut size = None;
        let mut read = Vec::with_capacity(paths.len());
        for path in paths {
            let Some(path) = path else {
                read.push(None);
                continue;
            };
            let path = path.as_ref();
            let mask = read_mask(path, foreground).map_err(|e| bad(path, "bad_mask", e.to_string()))?;
            let (height, width) = *size.get_or_insert((mask.height, mask.width));
            if (mask.height, mask.width) != (height, width) {
                let detail = format!("{} x {} beside {height} x {width}", mask.height, mask.width);
                return Err(bad(path, "bad_mask", detail));
            }
            read.push(Some(mask));
        }
        let Some((height, width)) = size else {
            return Err(NoRow::Data(format!("clip {} has no mask", clip.id)));
        };
        let known = read.iter().map(|mask| i32::from(mask.is_some())).collect();
        let bits = read.into_iter().flat_map(|mask| mask.map_or_else(|| vec![0; height * width], |mask| mask.bits));
        Ok(Self { bits: bits.collect(), known, shape: [paths.len(), height, width] })
    }
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "files of a test")]
mod tests {
    use std::path::PathBuf;

    use arrow::datatypes::{Int32Type, UInt8Type};
    use copl_contract::{schema, tensor};
    use copl_datasets::avsbench::{Mask, write_mask};
    use copl_datasets::{QuestionKind, Split};

    use super::*;

    fn clip(media: Media, target: Target) -> Clip {
        Clip { id: "v#0".to_owned(), video_id: "v".to_owned(), media, split: Split::Train, target, row: 0 }
    }

    #[test]
    fn a_clip_of_pictures_names_them_and_holds_its_masks() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("v_1.png");
        write_mask(&path, &Mask { height: 1, width: 2, bits: vec![0, 1] }).unwrap();
        let media = Media::Frames { frames: vec!["/v_1.png".into(), "/v_2.png".into()], audio: "/v.wav".into() };
        let of = |masks: Vec<Option<PathBuf>>| {
            clip(media.clone(), Target::Masks { category: Some(0), masks, foreground: Foreground::Bright })
        };
        let Ok(row) = row(&of(vec![Some(path.clone()), None]), &["bell".to_owned()]) else { panic!("a row") };
        let (schema, batch) = row.unwrap();
        assert_eq!(schema, Schema::MaskClips);
        assert_eq!(schema::texts(&batch, "pictures", 0).unwrap(), ["/v_1.png", "/v_2.png"]);
        let masks = tensor::view::<UInt8Type>(&batch, "masks").unwrap();
        assert_eq!((masks.shape, masks.values), (vec![2, 1, 2], &[0, 1, 0, 0][..]));
        assert_eq!(tensor::view::<Int32Type>(&batch, "known").unwrap().values, [1, 0]);
        // A mask that cannot be read costs the clip, not the run.
        std::fs::write(&path, "no picture").unwrap();
        let broken = of(vec![Some(path), None]);
        let Err(NoRow::Bad(bad)) = super::row(&broken, &[]) else { panic!("a bad clip") };
        let (_, batch) = tombstone(&broken, "source", &bad).unwrap();
        assert_eq!(schema::utf8(&batch, "reason").unwrap().value(0), "bad_mask");
    }

    /// Several sources: no category, a mask of every frame, also in training.
    #[test]
    fn a_clip_without_a_category_says_so_and_knows_all_its_masks() {
        let dir = tempfile::tempdir().unwrap();
        let masks: Vec<Option<PathBuf>> = (0..2_u8)
            .map(|n| {
                let path = dir.path().join(format!("v_{n}.png"));
                write_mask(&path, &Mask { height: 1, width: 2, bits: vec![n, 1] }).unwrap();
                Some(path)
            })
            .collect();
        let media =
            Media::Frames { frames: vec!["/v.mp4_1.png".into(), "/v.mp4_2.png".into()], audio: "/v.wav".into() };
        let target = Target::Masks { category: None, masks, foreground: Foreground::AboveZero };
        let Ok(row) = row(&clip(media, target), &[]) else { panic!("a row") };
        let (_, batch) = row.unwrap();
        assert_eq!(schema::int64(&batch, "category").unwrap().value(0), -1);
        assert_eq!(schema::utf8(&batch, "category_name").unwrap().value(0), "");
        let masks = tensor::view::<UInt8Type>(&batch, "masks").unwrap();
        assert_eq!((masks.shape, masks.values), (vec![2, 1, 2], &[0, 1, 1, 1][..]));
        assert_eq!(tensor::view::<Int32Type>(&batch, "known").unwrap().values, [1, 1]);
    }

    #[test]
    fn a_question_goes_with_its_words_in_numbers() {
        let words: Vec<String> = "Is the violin in the video always playing".split(' ').map(str::to_owned).collect();
        let target = Target::Question { question_id: 3, kind: QuestionKind::AudioVisualExistential, words, answer: 1 };
        let Ok(row) = row(&clip(Media::Video("/v.mp4".into()), target), &["no".to_owned(), "yes".to_owned()]) else {
            panic!("a row")
        };
        let (_, batch) = row.unwrap();
        assert_eq!(schema::utf8(&batch, "kind").unwrap().value(0), "Audio-Visual Existential");
        assert_eq!(schema::int64(&batch, "answer").unwrap().value(0), 1);
        assert_eq!(schema::texts(&batch, "answers", 0).unwrap(), ["no", "yes"]);
        let numbers = tensor::view::<Int32Type>(&batch, "words").unwrap();
        assert_eq!((numbers.shape, numbers.values[13]), (vec![14], 0));
        assert!(numbers.values[..8].iter().all(|n| *n > 0));
    }
}
