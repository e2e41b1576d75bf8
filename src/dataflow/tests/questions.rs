//! What is said of dataflows whose model is asked questions.

use super::*;

fn file(name: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("dataflows").join(name);
    std::fs::read_to_string(path).unwrap()
}

fn checked(text: &str, changes: &[&str]) -> String {
    let changes: Vec<String> = changes.iter().map(|c| (*c).to_owned()).collect();
    let found = check("flow.yml", text, &changes, &crate::catalog::specs());
    shown(&found)
}

#[test]
fn questions_are_asked_where_the_task_has_some() {
    let mini = file("music-avqa-mini.yml");
    let line = mini.lines().find(|line| line.trim_start().starts_with("questions: {")).unwrap();
    let said = checked(&mini.replace(line, ""), &[]);
    assert!(said.contains("`model` has TASK music-avqa and no input `questions`"), "{said}");
    let said = checked(&mini, &["model.TASK=ave"]);
    assert!(said.contains("`model` has TASK ave, which asks no questions"), "{said}");
    assert!(said.contains("set TASK to music-avqa"), "{said}");
}

#[test]
fn questions_come_as_the_head_takes_them() {
    let mini = file("music-avqa-mini.yml");
    let said = checked(&mini, &["text.ENCODER=minilm"]);
    assert!(said.contains("set QUESTION_WIDTH: 512 for CLIP"), "{said}");
    let said = checked(&mini, &["model.QUESTION_WIDTH=384"]);
    assert!(said.contains("`text` sends word ids"), "{said}");
    assert_eq!(checked(&mini, &["text.ENCODER=minilm", "model.QUESTION_WIDTH=384"]), "");
}
