//! What an encoder node does with requests that no good model sends.

use copl_contract::NodeError;
use copl_contract::testing::Harness;
use copl_contract::testing::odd::{self, Bytes};
use copl_testing::mutate;
use proptest::prelude::*;

#[test]
fn odd_messages_are_taken_or_refused_with_the_edge_they_came_on() {
    let folder = tempfile::tempdir().unwrap();
    mutate::runner(150)
        .run(&prop::collection::vec(any::<u8>(), 4..400), |bytes| {
            let harness = Harness::new()
                .run_dir(folder.path())
                .setting("ARCH", "swin-v2-nano")
                .setting("WEIGHTS", "random")
                .setting("DEVICE", "cpu")
                .outputs(&["answers", "report"]);
            let Ok(harness) = odd::play::<copl_encoder::EncoderNode>(harness, &mut Bytes::new(&bytes)) else {
                return Ok(());
            };
            match harness.run::<copl_encoder::EncoderNode>() {
                Ok(_) | Err(NodeError::Contract { .. } | NodeError::Failed { .. }) => Ok(()),
                Err(other) => Err(TestCaseError::fail(format!("{other:?}"))),
            }
        })
        .unwrap();
}
