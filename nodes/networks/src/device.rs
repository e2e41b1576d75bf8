//! Where the arithmetic runs: `cpu`, `cuda:N`, or `auto`.

pub use candle_core::Device;

/// A device as a user names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first GPU of a cuda build, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// GPU number N.
    Cuda(usize),
}

/// Reads a device's name.
///
/// # Errors
/// Says what was expected.
pub fn parse(name: &str) -> Result<DeviceChoice, String> {
    match name {
        "auto" => Ok(DeviceChoice::Auto),
        "cpu" => Ok(DeviceChoice::Cpu),
        _ => name
            .strip_prefix("cuda:")
            .and_then(|n| n.parse().ok())
            .map(DeviceChoice::Cuda)
            .ok_or_else(|| format!("`{name}` is none of auto, cpu, cuda:N")),
    }
}

/// Opens a device; the second value says what `auto` chose and why.
///
/// # Errors
/// If a GPU is named and cannot be used.
pub fn open(choice: DeviceChoice) -> Result<(Device, String), String> {
    match choice {
        DeviceChoice::Cpu => Ok((Device::Cpu, "cpu".to_owned())),
        DeviceChoice::Cuda(n) => match Device::new_cuda(n) {
            Ok(device) => Ok((device, format!("cuda:{n}"))),
            Err(_) if !cfg!(feature = "cuda") => Err(format!(
                "DEVICE cuda:{n}: this build has no CUDA; build with `--features cuda`, or set DEVICE to cpu or auto"
            )),
            Err(e) => {
                Err(format!("DEVICE cuda:{n}: {}; set DEVICE to cpu or auto to go on without it", first_line(&e)))
            }
        },
        DeviceChoice::Auto => match cfg!(feature = "cuda").then(|| Device::new_cuda(0)) {
            Some(Ok(device)) => Ok((device, "cuda:0".to_owned())),
            Some(Err(e)) => Ok((Device::Cpu, format!("cpu (no GPU can be used: {e})"))),
            None => Ok((Device::Cpu, "cpu".to_owned())),
        },
    }
}

/// Makes the threads of the arithmetic, as many as cores (or `RAYON_NUM_THREADS`) where no number is given.
///
/// `here`: the calling thread is one of them. Work it hands out then costs no change of threads, of which a small model has
/// thousands a second; no other thread may hand any out while this one waits for something else.
///
/// # Errors
/// If they exist already, or cannot be made.
pub fn start_threads(count: Option<usize>, here: bool) -> Result<(), rayon::ThreadPoolBuildError> {
    let builder = rayon::ThreadPoolBuilder::new().num_threads(count.unwrap_or(0));
    if here { builder.use_current_thread() } else { builder }.build_global()
}

/// What went wrong, without the backtrace that candle adds.
fn first_line(error: &candle_core::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read() {
        assert_eq!(parse("cuda:1"), Ok(DeviceChoice::Cuda(1)));
        assert_eq!(parse("cpu"), Ok(DeviceChoice::Cpu));
        assert!(parse("gpu").is_err());
    }

    #[test]
    fn without_cuda_a_gpu_is_refused_and_auto_goes_on() {
        if !cfg!(feature = "cuda") {
            assert!(open(DeviceChoice::Cuda(0)).is_err_and(|e| e.contains("--features cuda")));
            assert!(open(DeviceChoice::Auto).is_ok_and(|(_, name)| name == "cpu"));
        }
    }
}
