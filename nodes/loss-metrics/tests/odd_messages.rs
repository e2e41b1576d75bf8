//! What the loss node does with clips and predictions that no good node sends.

use copl_contract::NodeError;
use copl_contract::testing::Harness;
use copl_contract::testing::odd::{self, Bytes};
use copl_testing::mutate;
use proptest::prelude::*;

#[test]
fn odd_messages_are_taken_or_refused_with_the_edge_they_came_on() {
    let folder = tempfile::tempdir().unwrap();
    mutate::runner(1500)
        .run(&prop::collection::vec(any::<u8>(), 4..400), |bytes| {
            let harness = Harness::new().run_dir(folder.path()).outputs(&["gradients", "report"]);
            let Ok(harness) = odd::play::<copl_loss_metrics::LossMetrics>(harness, &mut Bytes::new(&bytes)) else {
                return Ok(());
            };
            match harness.run::<copl_loss_metrics::LossMetrics>() {
                Ok(_) | Err(NodeError::Contract { .. } | NodeError::Failed { .. }) => Ok(()),
                Err(other) => Err(TestCaseError::fail(format!("{other:?}"))),
            }
        })
        .unwrap();
}
