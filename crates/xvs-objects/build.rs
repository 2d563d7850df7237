//! Builds the workspace in `ebpf/` and tells the crate where its objects are.
//!
//! The BPF build must not see the user-space build's compiler, flags or profile, so only the
//! variables that say where cargo finds its home, network and jobs get through. The objects are
//! embedded without their DWARF, three quarters of their size, which no loader reads; the files with
//! it stay in the target folder for who wants to read the code beside its source.

#![expect(
    clippy::print_stderr,
    reason = "a build script tells people on stderr why it failed"
)]

use std::{
    env,
    ffi::OsString,
    fmt, fs,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
};

use object::{
    build::elf::{Builder, SectionData},
    elf::SHT_STRTAB,
};

/// The compiler that `ebpf/.cargo/config.toml` names.
const COMPILER: &str = "/usr/bin/rustc";

const LINKER: &str = "bpf-linker";

const TARGET: &str = "bpfel-unknown-none";

/// Binary of `ebpf/` and the variable under which the crate finds its object.
const OBJECTS: [(&str, &str); 3] = [
    ("bench", "XVS_BENCH_OBJECT"),
    ("xvs", "XVS_DIRECTOR_OBJECT"),
    ("realserver", "XVS_REALSERVER_OBJECT"),
];

/// What decides the objects, relative to the root of the project.
const INPUTS: [&str; 9] = [
    "Cargo.toml",
    "crates/xvs-datapath/Cargo.toml",
    "crates/xvs-datapath/src",
    "crates/xvs-wire/Cargo.toml",
    "crates/xvs-wire/src",
    "ebpf/.cargo/config.toml",
    "ebpf/Cargo.lock",
    "ebpf/Cargo.toml",
    "ebpf/src",
];

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), BuildError> {
    let manifest_dir = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let root = manifest_dir
        .ancestors()
        .nth(2)
        .ok_or(BuildError::Variable("CARGO_MANIFEST_DIR"))?;
    let out = PathBuf::from(variable("OUT_DIR")?);
    let target = out.join("ebpf");
    let tools = root.join("target/tools/bin");

    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", root.join(input).display());
    }
    println!("cargo::rerun-if-changed={COMPILER}");
    println!("cargo::rerun-if-changed={}", tools.join(LINKER).display());

    let path = search_path(&tools)?;
    compiler_has_target()?;
    if !env::split_paths(&path).any(|folder| folder.join(LINKER).is_file()) {
        return Err(BuildError::LinkerMissing);
    }

    let status = cargo(root, &target, &path)?
        .status()
        .map_err(BuildError::Cargo)?;
    if !status.success() {
        return Err(BuildError::Failed);
    }
    for (binary, name) in OBJECTS {
        let built = target.join(TARGET).join("release").join(binary);
        let object = out.join(binary).with_extension("o");
        strip(&built, &object).map_err(|reason| BuildError::Strip { built, reason })?;
        println!("cargo::rustc-env={name}={}", object.display());
    }
    Ok(())
}

/// The cargo that builds `ebpf/`, in an environment that holds nothing of the outer build.
fn cargo(root: &Path, target: &Path, path: &OsString) -> Result<Command, BuildError> {
    let mut cargo = Command::new(variable("CARGO")?);
    cargo
        .args(["build", "--release", "--locked", "--target-dir"])
        .arg(target)
        .current_dir(root.join("ebpf"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        let of_a_build = text.starts_with("CARGO") || text.starts_with("RUST");
        if of_a_build && !stays(&text) {
            cargo.env_remove(&name);
        }
    }
    cargo.env("PATH", path);
    Ok(cargo)
}

/// Whether a variable says where cargo works rather than what it builds.
fn stays(name: &str) -> bool {
    const NAMES: [&str; 4] = [
        "CARGO_BUILD_JOBS",
        "CARGO_HOME",
        "CARGO_MAKEFLAGS",
        "RUST_BACKTRACE",
    ];
    const PREFIXES: [&str; 5] = [
        "CARGO_HTTP_",
        "CARGO_NET_",
        "CARGO_REGISTR",
        "CARGO_TERM_",
        "RUSTUP_",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// The project's own tools first, then `PATH`.
fn search_path(tools: &Path) -> Result<OsString, BuildError> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(tools.to_path_buf()).chain(env::split_paths(&inherited));
    env::join_paths(folders).map_err(|_colon_in_path| BuildError::Variable("PATH"))
}

/// Whether the compiler exists and has `core` for BPF beside it.
fn compiler_has_target() -> Result<(), BuildError> {
    let output = Command::new(COMPILER)
        .args(["--print", "target-libdir", "--target", TARGET])
        .output()
        .map_err(BuildError::CompilerMissing)?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    if output.status.success() && folder.is_dir() {
        Ok(())
    } else {
        Err(BuildError::CoreMissing)
    }
}

/// Copies an object without its DWARF; BTF, which the kernel reads, stays.
fn strip(from: &Path, to: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let data = fs::read(from)?;
    let mut builder = Builder::read(data.as_slice())?;
    for section in builder.sections.iter_mut() {
        let name = section.name.to_vec();
        section.delete = name.starts_with(b".debug_") || name.starts_with(b".rel.debug_");
    }
    builder.delete_orphans();
    // LLVM keeps the sections' names in the symbols' string table; the builder wants one for each.
    let names = builder.sections.add();
    names.name = b".shstrtab".as_slice().into();
    names.sh_type = SHT_STRTAB;
    names.sh_addralign = 1;
    names.data = SectionData::SectionString;
    let mut stripped = Vec::new();
    builder.write(&mut stripped)?;
    fs::write(to, stripped)?;
    Ok(())
}

fn variable(name: &'static str) -> Result<OsString, BuildError> {
    env::var_os(name).ok_or(BuildError::Variable(name))
}

/// Why there are no objects.
enum BuildError {
    Cargo(std::io::Error),
    CompilerMissing(std::io::Error),
    CoreMissing,
    Failed,
    LinkerMissing,
    Strip {
        built: PathBuf,
        reason: Box<dyn std::error::Error>,
    },
    Variable(&'static str),
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cargo(error) => write!(out, "could not start cargo for `ebpf/`: {error}"),
            Self::CompilerMissing(error) => {
                write!(
                    out,
                    "no BPF compiler at {COMPILER} ({error}): run `make setup`"
                )
            }
            Self::CoreMissing => {
                write!(
                    out,
                    "{COMPILER} has no `core` for {TARGET}: run `make setup`"
                )
            }
            Self::Failed => {
                write!(
                    out,
                    "the build of `ebpf/` failed; if a tool is missing, run `make setup`"
                )
            }
            Self::LinkerMissing => {
                write!(
                    out,
                    "no `{LINKER}` in target/tools/bin or PATH: run `make setup`"
                )
            }
            Self::Strip { built, reason } => {
                write!(out, "could not strip `{}`: {reason}", built.display())
            }
            Self::Variable(name) => write!(out, "cargo gave no usable `{name}`"),
        }
    }
}
