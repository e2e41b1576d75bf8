//! The position bias of a prompt's column.

copl_contract::choice! {
    /// Position bias of a prompt's column in window attention. The paper gives prompts no position; Swin-V2's own
    /// biases lie in (0, 16), so zero holds prompts back, and the mean of the query's row is offered beside it.
    pub enum PromptBias {
        /// No bias (the paper's words).
        Zero = "zero",
        /// Per query and head, the mean over the window's own columns.
        Mean = "mean",
    }
}
