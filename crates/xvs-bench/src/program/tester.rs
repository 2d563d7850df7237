//! The object of the benchmark, loaded: puts a program behind the entry that makes packets, and runs it.

use std::{
    io,
    os::fd::{AsFd, AsRawFd},
    ptr::NonNull,
};

use anyhow::{Context, anyhow, bail};
use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, PerCpuArray, ProgramArray},
    programs::{Program, ProgramFd},
};
use xvs_dataplane::Hook;

use super::frame::Plan;
use crate::kernel::{self, Run};

/// A program that is measured.
pub(crate) struct Target {
    /// It is open.
    pub(crate) fd: ProgramFd,
    /// Its number, which no other program gets.
    pub(crate) id: u32,
}

/// The loaded object.
pub(crate) struct Tester {
    object: Ebpf,
    xdp: ProgramArray<MapData>,
    tcx: ProgramArray<MapData>,
    plan: Mapped,
    /// What stands behind the entries at XDP and tcx: changing it waits for every processor.
    targets: [Option<u32>; 2],
}

impl Tester {
    /// Loads every program.
    pub(crate) fn load() -> anyhow::Result<Self> {
        Self::with_memory(1)
    }

    /// Loads every program, with so many places of 128 bytes for `floor_xdp_line`.
    pub(crate) fn with_memory(places: u32) -> anyhow::Result<Self> {
        let mut object = EbpfLoader::new()
            .override_global("PLACES", &places, true)
            .map_max_entries("MEMORY", places)
            .load(xvs_objects::BENCH)
            .context("load the benchmark's object")?;
        for (name, program) in object.programs_mut() {
            let loaded = match program {
                Program::SchedClassifier(program) => program.load(),
                Program::Xdp(program) => program.load(),
                _ => Ok(()),
            };
            loaded.with_context(|| format!("load program `{name}`"))?;
        }
        let mut array = |name: &str| -> anyhow::Result<ProgramArray<MapData>> {
            let map = object
                .take_map(name)
                .with_context(|| format!("no map `{name}`"))?;
            map.try_into().with_context(|| format!("map `{name}`"))
        };
        let (xdp, tcx) = (array("TARGET_XDP")?, array("TARGET_TCX")?);
        let Some(Map::Array(plan)) = object.map("PLAN") else {
            bail!("no map `PLAN`");
        };
        let plan = Mapped::new(plan).context("map the plan")?;
        Ok(Self {
            object,
            xdp,
            tcx,
            plan,
            targets: [None; 2],
        })
    }

    /// A program of the object, to be run behind an entry.
    pub(crate) fn target(&self, name: &str) -> anyhow::Result<Target> {
        let program = self
            .object
            .program(name)
            .with_context(|| format!("no program `{name}`"))?;
        let id = match program {
            Program::SchedClassifier(program) => program.info()?.id(),
            Program::Xdp(program) => program.info()?.id(),
            _ => bail!("program `{name}` has no entry"),
        };
        Ok(Target {
            fd: self.program(name)?,
            id,
        })
    }

    /// A program of the object.
    fn program(&self, name: &str) -> anyhow::Result<ProgramFd> {
        let program = self
            .object
            .program(name)
            .with_context(|| format!("no program `{name}`"))?;
        let fd = program.fd()?;
        fd.try_clone()
            .with_context(|| format!("open program `{name}`"))
    }

    /// Runs `target` on `repeat` frames of `plan` that came in by the link `ifindex`. The plan is
    /// changed as the programs change it: the next run goes on where this one ended.
    pub(crate) fn run(
        &mut self,
        hook: Hook,
        target: &Target,
        plan: &mut Plan,
        ifindex: u32,
        repeat: u32,
    ) -> anyhow::Result<Run> {
        let wanted = target.id;
        let (entry, context) = if hook == Hook::Tcx {
            if self.targets[1].replace(wanted) != Some(wanted) {
                self.tcx.set(0, &target.fd, 0)?;
            }
            // The members of `struct __sk_buff` up to `ifindex`.
            (
                "measure_tcx",
                vec![0, 0, 0, 0, 0, 0, 0, 0, 0, ifindex, ifindex],
            )
        } else {
            if self.targets[0].replace(wanted) != Some(wanted) {
                self.xdp.set(0, &target.fd, 0)?;
            }
            let length = u32::try_from(super::frame::LENGTH)?;
            // `struct xdp_md` up to the receive queue.
            ("measure_xdp", vec![0, length, 0, ifindex, 0, 0])
        };
        let context: Vec<u8> = context.into_iter().flat_map(u32::to_ne_bytes).collect();
        self.plan.store(*plan);
        let entry = self.program(entry)?;
        let run = kernel::run(entry.as_fd(), &plan.frame(), &context, repeat)
            .with_context(|| format!("run {repeat} packets"))?;
        *plan = self.plan.load();
        Ok(run)
    }

    /// Sends `frames` frames of `plan` to the plan's link; answers the nanoseconds of each, from making it
    /// to where it ended.
    pub(crate) fn send(&mut self, plan: &mut Plan, frames: u32) -> anyhow::Result<u32> {
        self.plan.store(*plan);
        let generator = self.program("generate")?;
        let run = kernel::send(generator.as_fd(), &plan.frame(), frames)
            .context("send live frames (Linux 5.18 or later)")?;
        *plan = self.plan.load();
        Ok(run.nanoseconds)
    }

    /// Frames that ended in the sinks since the object was loaded.
    pub(crate) fn arrived(&self) -> anyhow::Result<u64> {
        let map = self.object.map("ARRIVED").context("no map `ARRIVED`")?;
        let arrived: PerCpuArray<_, u64> = map.try_into().context("map `ARRIVED`")?;
        Ok(arrived.get(&0, 0)?.iter().sum())
    }

    /// The object, to attach its sinks.
    pub(crate) fn object(&mut self) -> &mut Ebpf {
        &mut self.object
    }
}

/// The plan's map, mapped.
struct Mapped(NonNull<Plan>);

impl Mapped {
    fn new(map: &MapData) -> anyhow::Result<Self> {
        // SAFETY: a new mapping of a map that the kernel checks the size of.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<Plan>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                map.fd().as_fd().as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error().into());
        }
        NonNull::new(address.cast())
            .map(Self)
            .ok_or_else(|| anyhow!("mapped at null"))
    }

    fn store(&mut self, plan: Plan) {
        // SAFETY: the mapping lives as long as this, and no program runs meanwhile.
        unsafe { self.0.write_volatile(plan) };
    }

    fn load(&self) -> Plan {
        // SAFETY: as above; any bytes are a plan.
        unsafe { self.0.read_volatile() }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: the mapping is this one's, of this size.
        unsafe { libc::munmap(self.0.as_ptr().cast(), size_of::<Plan>()) };
    }
}
