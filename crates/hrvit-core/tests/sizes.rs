//! Plans near the end of the address space: refused with an error, whatever the width of `usize`.
//! (`cargo xtask test` runs these on a 32-bit target too, where such sizes overflow.)

use hrvit_core::{Plan, PlanError, Size, WeightPlacement, WideParts};
use hrvit_format::{Head, Network, Spec};

fn size(side: u16) -> Size {
    Size::new(side, side).unwrap()
}

#[test]
fn a_weight_buffer_that_the_address_space_does_not_hold() {
    let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 5 };
    for largest_group in [usize::MAX, usize::MAX - 64, usize::MAX / 2 + 1, isize::MAX as usize - 64] {
        let planned = Plan::builder(&network, size(32)).weights(WeightPlacement::Streamed { largest_group }).build();
        assert_eq!(planned.err(), Some(PlanError::TooLarge), "{largest_group}");
    }
}

#[test]
fn maps_that_an_address_space_of_32_bits_does_not_hold() {
    let spec = Spec { channels: [1024; 4], ..Spec::variant("b3").unwrap() };
    let network = Network { spec, head: Head::Segformer, classes: 255 };
    let planned = Plan::builder(&network, size(4096)).precisions(WideParts::ALL_INT16X8).build();
    if cfg!(target_pointer_width = "32") {
        assert_eq!(planned.err(), Some(PlanError::TooLarge));
    } else {
        assert!(planned.unwrap().arena_bytes() > u32::MAX as usize);
    }
}
