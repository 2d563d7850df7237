//! The eBPF objects of xvs as bytes, ready to be handed to a loader.
//!
//! The build script compiles the workspace in `ebpf/`; this crate embeds what comes out and knows
//! nothing else: loading and attaching belong to the crates that use an object. The objects carry
//! the licence `Dual MIT/GPL`.

#![no_std]

/// The benchmark's object, `ebpf/src/bench/main.rs`: an ELF file, aligned to 8 bytes. Nothing of it is
/// part of a program that does not name it.
pub static BENCH: &[u8] = &BENCH_ALIGNED.0;

/// The director's object, `ebpf/src/main.rs`: an ELF file, aligned to 8 bytes as its parser wants.
pub static DIRECTOR: &[u8] = &DIRECTOR_ALIGNED.0;

/// The real server's object, `ebpf/src/realserver/main.rs`: an ELF file, aligned to 8 bytes.
pub static REALSERVER: &[u8] = &REALSERVER_ALIGNED.0;

/// Bytes at an address that an ELF header may have.
#[repr(C, align(8))]
struct Aligned<T: ?Sized>(T);

static BENCH_ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("XVS_BENCH_OBJECT")));

static DIRECTOR_ALIGNED: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("XVS_DIRECTOR_OBJECT")));

static REALSERVER_ALIGNED: &Aligned<[u8]> =
    &Aligned(*include_bytes!(env!("XVS_REALSERVER_OBJECT")));

#[cfg(test)]
mod tests {
    use super::{BENCH, DIRECTOR, REALSERVER};

    /// `EM_BPF` of the ELF specification, at offset 18 of the header.
    const MACHINE_BPF: [u8; 2] = 247_u16.to_le_bytes();

    #[test]
    fn all_objects_are_aligned_elf_files_for_bpf() {
        for object in [BENCH, DIRECTOR, REALSERVER] {
            assert_eq!(object.get(..4), Some(b"\x7fELF".as_slice()));
            assert_eq!(object.get(18..20), Some(MACHINE_BPF.as_slice()));
            assert_eq!(object.as_ptr().align_offset(8), 0);
        }
    }

    #[test]
    fn no_panic_path_is_left_in_the_objects() {
        for object in [BENCH, DIRECTOR, REALSERVER] {
            let panics = object
                .windows(b"core9panicking".len())
                .filter(|window| window == b"core9panicking")
                .count();
            assert_eq!(panics, 0);
        }
    }
}
