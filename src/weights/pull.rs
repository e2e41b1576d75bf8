//! `copl weights pull`.

use copl_contract::ExitCode;
use copl_hub::{HubFile, Pulled, Settings};
use copl_networks::weights::hub::Origin;
use copl_networks::weights::is_embedded;

use super::meter::Meter;
use super::names::{entry, megabytes, unknown};
use crate::outcome::{Failure, Outcome};

/// What a name asks for.
enum Wanted {
    File(HubFile),
    /// Nothing is to be done: it is inside the program.
    Inside,
    /// No program can; what a user does.
    ByHand(&'static str),
}

pub(super) fn pull(names: &[String], quiet: bool) -> Outcome {
    // All names are understood before anything is fetched.
    let wanted = names.iter().map(|name| Ok((name.as_str(), wanted(name)?))).collect::<Result<Vec<_>, Failure>>()?;
    let settings = Settings::from_env();
    let mut failed = Vec::new();
    for (name, wanted) in wanted {
        match wanted {
            Wanted::Inside => println!("{name}: inside the program; there is nothing to pull"),
            Wanted::ByHand(how) => failed.push(format!("{name}: {how}")),
            Wanted::File(file) => {
                let mut meter = Meter::new(name, quiet);
                let pulled = copl_hub::pull(&settings, &file, &mut |progress| meter.show(&progress));
                meter.clear();
                match pulled {
                    Ok(pulled) => println!("{}", summary(name, &pulled)),
                    Err(error) => failed.push(format!("{name}: {error}")),
                }
            }
        }
    }
    if failed.is_empty() { Ok(ExitCode::Success) } else { Err(Failure::new(ExitCode::Missing, failed.join("\n"))) }
}

fn wanted(name: &str) -> Result<Wanted, Failure> {
    if let Some(text) = name.strip_prefix("hub:") {
        let wrong = || Failure::new(ExitCode::Usage, format!("`{name}` is not of the form hub:OWNER/NAME/FILE"));
        return HubFile::parse(text).map(Wanted::File).ok_or_else(wrong);
    }
    if copl_networks::encoders::preset(name).is_ok_and(|preset| is_embedded(preset.name())) {
        return Ok(Wanted::Inside);
    }
    let entry = entry(name).ok_or_else(|| unknown(name))?;
    Ok(match (entry.file(), &entry.origin) {
        (Some(file), _) => Wanted::File(file),
        (None, Origin::ByHand { how }) => Wanted::ByHand(how),
        (None, Origin::Hub { .. }) => return Err(unknown(name)),
    })
}

fn summary(name: &str, pulled: &Pulled) -> String {
    let when = if pulled.fresh { "pulled" } else { "was there already" };
    let vouched = if pulled.vouched { "as the hub says" } else { "not compared with the hub" };
    format!(
        "{name}: {when}: {} ({}, SHA-256 {}, {vouched})",
        pulled.path.display(),
        megabytes(pulled.bytes),
        pulled.sha256
    )
}
