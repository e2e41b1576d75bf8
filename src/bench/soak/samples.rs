//! Every value of a soak in a CSV file: seconds since it began, number of the run, subject, quantity, value.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use copl_contract::ExitCode;

use super::verdict::Quantity;
use crate::outcome::Failure;

/// Name of a quantity in the file, with its unit.
fn column(quantity: Quantity) -> String {
    let unit = match quantity {
        Quantity::Handles => "",
        Quantity::Seconds => "_secs",
        _ => "_bytes",
    };
    format!("{}{unit}", quantity.name().replace("'s", "").replace(' ', "_"))
}

/// The file, if one is wanted.
#[derive(Debug)]
pub(super) struct Samples(Option<(PathBuf, BufWriter<File>)>);

impl Samples {
    /// Begins the file.
    pub(super) fn create(path: Option<&Path>) -> Result<Self, Failure> {
        let Some(path) = path else { return Ok(Self(None)) };
        let problem = |e| Failure::new(ExitCode::Internal, format!("{}: {e}", path.display()));
        let mut out = BufWriter::new(File::create(path).map_err(problem)?);
        writeln!(out, "secs,run,subject,quantity,value").map_err(problem)?;
        Ok(Self(Some((path.to_owned(), out))))
    }

    fn with(&mut self, act: impl FnOnce(&mut BufWriter<File>) -> std::io::Result<()>) -> Result<(), Failure> {
        let Some((path, out)) = &mut self.0 else { return Ok(()) };
        act(out).map_err(|e| Failure::new(ExitCode::Internal, format!("{}: {e}", path.display())))
    }

    /// A value.
    pub(super) fn write(
        &mut self,
        secs: f64,
        run: u64,
        subject: &str,
        quantity: Quantity,
        value: f64,
    ) -> Result<(), Failure> {
        self.with(|out| writeln!(out, "{secs:.2},{run},{subject},{},{value}", column(quantity)))
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.with(Write::flush)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_line_with_its_unit() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("soak.csv");
        let mut samples = Samples::create(Some(&path)).unwrap();
        samples.write(1.5, 3, "model", Quantity::Memory, 2048.0).unwrap();
        samples.write(2.0, 3, "ave-mini", Quantity::RunFolder, 7.0).unwrap();
        samples.finish().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "secs,run,subject,quantity,value\n1.50,3,model,memory_bytes,2048\n2.00,3,ave-mini,run_folder_bytes,7\n"
        );
        assert!(Samples::create(None).unwrap().write(0.0, 0, "x", Quantity::Cache, 0.0).is_ok());
        assert!(Samples::create(Some(Path::new("/no/such/folder/soak.csv"))).is_err());
    }
}
