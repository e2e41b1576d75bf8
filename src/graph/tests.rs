use super::ports::{Frame, LABEL_SIZE, text_width};
use super::*;

const FOREIGN: &str = "
nodes:
  - { id: cam, path: ./camera.py, inputs: { tick: dora/timer/millis/20, hint: brain/hint }, outputs: [image] }
  - { id: end, path: ./mic.py, outputs: [sound] }
  - id: brain
    path: ./brain.py
    env: { NAME: 'a<b & \"c\"', PATH_TO: /a/very/long/path/to/a/file/that/does/not/fit.safetensors }
    inputs: { image: cam/image, sound: end/sound, self: brain/hint }
    outputs: [hint, words]
  - { id: mouth, path: ./mouth.py, inputs: { words: brain/words, image: cam/image, lost: nobody/words } }
";

fn documents() -> Vec<(&'static str, Document)> {
    let flows = [
        ("ave-mini", include_str!("../../dataflows/ave-mini.yml")),
        ("ave", include_str!("../../dataflows/ave.yml")),
        ("ave-hts-at", include_str!("../../dataflows/ave-hts-at.yml")),
        ("pretrain-nano", include_str!("../../dataflows/pretrain-nano.yml")),
        ("foreign", FOREIGN),
    ];
    flows.into_iter().map(|(name, text)| (name, Document::parse(name, text).unwrap())).collect()
}

fn meets(a: Frame, b: Frame) -> bool {
    a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom
}

#[test]
fn no_box_meets_a_box_and_no_label_meets_a_box_or_a_label() {
    for (name, document) in documents() {
        let flow = flow(&document, &catalog::specs());
        let picture = route::route(&flow);
        let labels = picture.paths.iter().filter_map(|p| {
            let (label, width) = (p.label?, text_width(&flow.edges[p.edge].output, LABEL_SIZE));
            let left = if label.centred { label.at.0 - width / 2.0 } else { label.at.0 };
            Some(Frame { left, right: left + width, top: label.at.1 - LABEL_SIZE, bottom: label.at.1 })
        });
        let mut things: Vec<Frame> = picture.ports.frames.clone();
        things.extend(labels);
        for (i, a) in things.iter().enumerate() {
            assert!(a.left >= 0.0 && a.right <= picture.ports.width.max(420.0), "{name}: {a:?}");
            assert!(a.top >= picture.top - 20.0 && a.bottom <= picture.bottom + 1.0, "{name}: {a:?}");
            assert!(things[..i].iter().all(|b| !meets(*a, *b)), "{name}: {a:?}");
        }
    }
}

#[test]
fn the_shipped_dataflow_flows_to_the_right_but_for_credits_and_gradients() {
    let (_, document) = documents().swap_remove(0);
    let flow = flow(&document, &catalog::specs());
    let feedback: Vec<&str> = flow.of(Class::Feedback).map(|(_, e)| e.output.as_str()).collect();
    assert_eq!(feedback, ["credits", "gradients"]);
    assert_eq!((flow.of(Class::Report).count(), flow.of(Class::Data).count()), (5, 6));
    let ports = route::route(&flow).ports;
    for edge in flow.edges.iter().filter(|e| e.class != Class::Feedback) {
        assert!(ports.frames[edge.from].right < ports.frames[edge.to].left, "{}", edge.title);
    }
}

#[test]
fn a_cycle_that_no_node_declares_is_broken_and_a_timer_is_drawn() {
    let (_, document) = documents().pop().unwrap();
    let flow = flow(&document, &catalog::specs());
    let feedback: Vec<&str> = flow.of(Class::Feedback).map(|(_, e)| e.title.as_str()).collect();
    assert_eq!(feedback, ["brain/hint to cam/hint", "brain/hint to brain/self"]);
    assert_eq!(flow.nodes.last().map(|n| n.id.as_str()), Some("dora/timer/millis/20"));
}

#[test]
fn text_is_escaped_and_long_values_are_shortened() {
    let (_, document) = documents().pop().unwrap();
    let picture = svg(&document, &catalog::specs());
    assert!(
        picture.contains("a&lt;b &amp; &quot;c&quot;") && picture.contains("> …/does/not/fit.safetensors<"),
        "{picture}"
    );
    assert!(
        picture.starts_with("<svg ") && picture.ends_with("</svg>") && picture.contains("prefers-color-scheme:dark")
    );
    assert_eq!(picture.matches("<text").count(), picture.matches("</text>").count());
}

#[test]
fn mermaid_names_every_node_and_dots_feedback() {
    let (_, document) = documents().swap_remove(0);
    let text = mermaid(&document);
    assert!(
        text.starts_with("flowchart LR\n    source[\"<b>source</b><br/>clip-source<br/>DATASET ave-mini"),
        "{text}"
    );
    for line in ["source -->|\"clips\"| video", "loss -.->|\"gradients\"| model", "video --> report", "linkStyle "] {
        assert!(text.contains(&format!("\n    {line}")), "{line}: {text}");
    }
    let (_, foreign) = documents().pop().unwrap();
    assert!(mermaid(&foreign).contains("\n    end_1[\"<b>end</b>"));
}

#[test]
fn an_empty_dataflow_is_an_empty_picture() {
    let document = Document::parse("none", "nodes: []").unwrap();
    assert!(svg(&document, &[]).ends_with("</svg>"));
    assert_eq!(mermaid(&document), "flowchart LR");
}
