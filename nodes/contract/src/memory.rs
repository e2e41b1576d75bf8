//! What a node's process does with memory that it gives back.

/// Has the allocator keep what it is given back, for the next clip or step. By its defaults it returns large blocks to the
/// system at once, which clears every page anew when they are asked for again: a training step takes a tenth longer
/// (docs/speed.md). The most that a process holds stays what it was.
pub fn keep() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // No block is a mapping of its own; the heap does not shrink, and grows by 256 MiB at least.
        for (setting, value) in [(libc::M_MMAP_MAX, 0), (libc::M_TRIM_THRESHOLD, -1), (libc::M_TOP_PAD, 256 << 20)] {
            // SAFETY: the call sets a number of the allocator's; one that it refuses stays as it was.
            unsafe { libc::mallopt(setting, value) };
        }
    }
}
