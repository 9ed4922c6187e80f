//! Which instruction sets a processor has.

/// An instruction set that this processor was seen to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Level {
    /// Every processor.
    Scalar,
    /// AVX2, FMA, F16C and POPCNT.
    #[cfg(target_arch = "x86_64")]
    Avx2(Detected),
    /// AVX-512 F, BW, VL, DQ, VNNI and VPOPCNTDQ.
    #[cfg(target_arch = "x86_64")]
    Avx512(Detected),
    /// NEON.
    #[cfg(target_arch = "aarch64")]
    Neon(Detected),
}

/// Proof that an instruction set was detected: only this file makes one.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detected(());

impl Level {
    /// Everything that this processor has, the slowest first.
    pub(crate) fn all() -> Vec<Self> {
        let mut levels = vec![Self::Scalar];
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2")
                && is_x86_feature_detected!("fma")
                && is_x86_feature_detected!("f16c")
                && is_x86_feature_detected!("popcnt");
            if has_avx2 {
                levels.push(Self::Avx2(Detected(())));
            }
            if has_avx2
                && is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vnni")
                && is_x86_feature_detected!("avx512vpopcntdq")
            {
                levels.push(Self::Avx512(Detected(())));
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("neon") {
            levels.push(Self::Neon(Detected(())));
        }
        levels
    }

    /// Name of the instruction set, as `KAPOK_KERNELS` has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => "avx2",
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => "avx512",
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => "neon",
        }
    }
}
