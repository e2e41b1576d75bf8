use super::file::SweepFile;
use super::table::mean_and_deviation;
use super::*;
use crate::store::{RunRecord, Store};

const FILE: &str = "
name: lengths
title: Lengths
dataflow: ../ave-mini.yml
seeds: [1, 2]
set: { source.EPOCHS: 2 }
cases:
  - { name: on, set: { model.BANK: true } }
  - { name: off, set: { model.BANK: false } }
grid:
  - { name: length, set: [model.GLOBAL_LEN, model.INTERACTION_LEN], values: [4, 8] }
";

#[test]
fn a_plan_is_the_product_of_cases_grid_and_seeds() {
    let file = SweepFile::parse(FILE).unwrap();
    let planned = plan(&file, std::path::Path::new("dataflows/sweeps"));
    assert_eq!(planned.len(), 8);
    assert_eq!(planned[0].case, "on, length 4");
    assert_eq!(
        planned[0].overrides,
        ["source.EPOCHS=2", "model.BANK=true", "model.GLOBAL_LEN=4", "model.INTERACTION_LEN=4"]
    );
    assert!(planned[..4].iter().all(|p| p.seed == Some(1)), "a whole round first");
    assert_eq!(planned[0].dataflow, std::path::Path::new("dataflows/sweeps/../ave-mini.yml"));
}

#[test]
fn a_wrong_file_is_refused_with_what_is_wrong() {
    let wrong = |from: &str, to: &str| SweepFile::parse(&FILE.replace(from, to)).unwrap_err();
    assert!(wrong("seeds:", "seed:").contains("unknown field `seed`"));
    assert!(wrong("name: off", "name: on").contains("two are called `on`"));
    assert!(wrong("name: lengths", "name: ../x").contains("is no name"));
    assert!(wrong("title: Lengths", "title: Lengths\npaper: table-9").contains("there are table-1, table-2"));
    assert!(SweepFile::parse("name: a\ntitle: b\ndataflow: c.yml\n").unwrap_err().contains("nothing to sweep"));
}

#[test]
fn mean_and_deviation_are_those_of_a_sample() {
    assert_eq!(mean_and_deviation(&[]), (None, None));
    assert_eq!(mean_and_deviation(&[3.0]), (Some(3.0), None));
    let (mean, deviation) = mean_and_deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]);
    assert_eq!(mean, Some(5.0));
    // Sum of squares 32 over 7.
    assert!((deviation.unwrap() - (32f64 / 7.0).sqrt()).abs() < 1e-12);
}

/// A store, and how runs are added to it and looked for.
struct Kept {
    _dir: tempfile::TempDir,
    store: Store,
}

const FLOW: &str = "nodes: [{id: a, env: {SEED: 1}}]";

impl Kept {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { store: Store::new(dir.path()), _dir: dir }
    }

    fn add(&self, yaml: &str, code: i32, version: &str, data: Option<&str>) -> String {
        let run = self.store.create().unwrap();
        let mut record = RunRecord { folder: Some("/flows".into()), ..RunRecord::begin(&run.id, "a.yml") };
        record.versions.insert("copl".into(), version.into());
        (record.data_fingerprint, record.data_description) = (data.map(str::to_owned), data.map(|_| "d".to_owned()));
        record.finish(code, "", None);
        run.write_record(&record).unwrap();
        run.write_dataflow(yaml).unwrap();
        run.id
    }

    fn find(&self, resolved: &str, folder: &str, data: Option<&str>) -> (Option<String>, Option<String>) {
        let data = data.map(|data| Data { annotations: data.to_owned(), description: "d".to_owned() });
        self.find_on(resolved, folder, data.as_ref())
    }

    fn find_on(&self, resolved: &str, folder: &str, data: Option<&Data>) -> (Option<String>, Option<String>) {
        let wanted = Wanted { resolved, folder: std::path::Path::new(folder), version: "1", data };
        match known(&self.store, &wanted).unwrap() {
            Known::Nothing => (None, None),
            Known::Done(run) => (Some(run.id), None),
            Known::Cut(run) => (None, Some(run.id)),
        }
    }
}

#[test]
fn a_finished_run_of_the_same_dataflow_is_found_and_no_other() {
    let kept = Kept::new();
    kept.add(FLOW, 0, "0", None);
    kept.add("nodes: [{id: a, env: {SEED: 2}}]", 0, "1", None);
    assert_eq!(kept.find(FLOW, "/flows", None), (None, None), "another dataflow, or by another version");
    let id = kept.add("# a.yml with\nnodes: [{id: a, env: {SEED: 1}}]", 0, "1", None);
    kept.add(FLOW, 5, "1", None);
    assert_eq!(kept.find("# ../a.yml with\nnodes: [{id: a, env: {SEED: 1}}]", "/flows", None), (Some(id), None));
    assert_eq!(kept.find(FLOW, "/other", None), (None, None));
}

#[test]
fn a_run_on_other_data_is_not_taken_for_done() {
    let kept = Kept::new();
    let old = kept.add(FLOW, 0, "1", None);
    assert_eq!(kept.find(FLOW, "/flows", Some("b")), (None, None), "it does not say what its data were");
    assert_eq!(kept.find(FLOW, "/flows", None), (Some(old), None), "nor does anybody now");
    let id = kept.add(FLOW, 0, "1", Some("a"));
    assert_eq!(kept.find(FLOW, "/flows", Some("b")), (None, None));
    assert_eq!(kept.find(FLOW, "/flows", Some("a")), (Some(id), None));
}

#[test]
fn a_run_on_a_set_that_is_described_otherwise_is_not_taken_for_done() {
    let kept = Kept::new();
    let id = kept.add(FLOW, 0, "1", Some("a"));
    let on = |description: &str| {
        let data = Data { annotations: "a".to_owned(), description: description.to_owned() };
        kept.find_on(FLOW, "/flows", Some(&data))
    };
    assert_eq!((on("e"), on("d")), ((None, None), (Some(id.clone()), None)));
    // As early versions wrote it.
    let run = kept.store.list().unwrap().pop().unwrap();
    let record = RunRecord { data_description: None, ..run.read_record().unwrap() };
    run.write_record(&record).unwrap();
    assert_eq!(on("e"), (Some(id), None), "the annotations decide alone");
}

#[test]
fn a_run_that_was_cut_is_found_unless_its_data_were_others() {
    let kept = Kept::new();
    kept.add(FLOW, 130, "1", Some("b"));
    assert_eq!(kept.find(FLOW, "/flows", Some("a")), (None, None));
    let early = kept.add(FLOW, 5, "1", None);
    assert_eq!(kept.find(FLOW, "/flows", Some("a")), (None, Some(early)), "it was cut before it read its data");
    let done = kept.add(FLOW, 0, "1", Some("a"));
    assert_eq!(kept.find(FLOW, "/flows", Some("a")), (Some(done), None));
}

fn view(dir: &std::path::Path, accuracy: f64) -> crate::view::RunView {
    use crate::tables::{Rows, Table as Kind, Values};
    let run = Store::new(dir).create().unwrap();
    run.write_record(&RunRecord::begin(&run.id, "a.yml")).unwrap();
    run.write_dataflow("nodes: []").unwrap();
    let columns = vec![
        Values::Integer(vec![1]),
        Values::Text(vec!["accuracy".into()]),
        Values::Number(vec![accuracy]),
        Values::Text(vec!["percent".into()]),
        Values::Integer(vec![1]),
        Values::Integer(vec![1]),
    ];
    let mut writer = crate::TableWriter::open(&run.path, Kind::Metrics).unwrap();
    writer.append(&Rows::new(Kind::Metrics, &run.id, 1, "test", columns).unwrap()).unwrap();
    writer.finish().unwrap();
    crate::view::RunView::load(&run, &|_| Vec::new()).unwrap()
}

#[test]
fn the_table_has_means_by_case_and_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let file = SweepFile::parse(FILE).unwrap();
    let planned: Vec<_> = plan(&file, dir.path())
        .into_iter()
        .enumerate()
        .map(|(i, p)| (p, (i != 7).then(|| view(dir.path(), 50.0 + i as f64))))
        .collect();
    let table = table(&file, &planned);
    assert_eq!(table.cases.len(), 4);
    // Seeds 1 and 2 of the first case are runs 0 and 4.
    assert_eq!(table.cases[0].mean, Some(52.0));
    assert_eq!(table.warnings(), ["1 of 8 runs are missing"]);
    let text = markdown(&table);
    assert!(text.contains("| on, length 4 | 52.0 ± 2.8 | 50.0, 54.0 |"), "{text}");
    let svg = figure(&file, &table);
    assert!(svg.contains(">on</text>") && svg.contains(">off</text>") && svg.contains(">length</text>"), "{svg}");
}

#[test]
fn a_case_may_be_called_anything() {
    let dir = tempfile::tempdir().unwrap();
    let name = "a|b `c` <d> *e*";
    let file = SweepFile::parse(&FILE.replace("name: on", &format!("name: \"{name}\""))).unwrap();
    let planned: Vec<_> = plan(&file, dir.path()).into_iter().map(|p| (p, None)).collect();
    let text = markdown(&table(&file, &planned));
    assert!(crate::quote::reading::read(&text).markup.is_empty(), "{text}");
    let page = page(&Table { title: name.into(), ..table(&file, &planned) }, "figure.svg");
    let read = crate::quote::reading::read(&page);
    assert!(read.markup.is_empty() && read.headings == 1, "{page}");
    assert!(read.texts[0] == name, "{page}");
    assert!(read.texts.contains(&format!("{name}, length 4")), "{text}");
}
