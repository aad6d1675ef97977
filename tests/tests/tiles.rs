//! The height of tiles changes no byte, and the plan knows what each height takes.

use hrvit_core::{Model, Plan, PlanError, Serial, Size, Threads, Tiling};
use hrvit_format::{Head, Network};
use hrvit_tests::{
    random_image::{random_frame, random_image},
    run::every_tensor,
    specs::{size, tiny, variant},
};

fn cases() -> Vec<(Network, Size)> {
    vec![
        (tiny(Head::Segformer), size(96, 64)),
        (tiny(Head::Classifier), size(64, 96)),
        (variant("nano", Head::Segformer, 11), size(160, 96)),
        (variant("b1", Head::Segformer, 19), size(224, 96)),
        (variant("b2", Head::Segformer, 5), size(64, 96)),
        (variant("b3w9", Head::Segformer, 19), size(96, 160)),
        (variant("b1", Head::Classifier, 10), size(64, 128)),
    ]
}

#[test]
fn tiles_from_one_row_to_the_whole_map_give_the_same_bytes() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 31);
        let model = Model::load(&image).unwrap();
        let frame = random_frame(size, 32);
        let tensors = |tiling, workers| {
            let plan = Plan::builder(&network, size).workers(workers).tiling(tiling).build().unwrap();
            match workers {
                1 => every_tensor(&model, &plan, &Serial, &frame),
                _ => every_tensor(&model, &plan, &Threads::new(workers).unwrap(), &frame),
            }
        };
        let single = tensors(Tiling::Rows(1), 1);
        for rows in [2, 3, 4, 5, 7, 8, 9, 12, 16, usize::MAX] {
            assert!(tensors(Tiling::Rows(rows), 1) == single, "{size}: tiles of {rows} rows");
        }
        for (rows, workers) in [(1, 2), (2, 3), (3, 2), (usize::MAX, 3)] {
            assert!(tensors(Tiling::Rows(rows), workers) == single, "{size}: tiles of {rows} rows, {workers} workers");
        }
        assert!(tensors(Tiling::Smallest, 1) == single, "{size}: tiles that fit in the smallest arena");
        assert!(tensors(Tiling::Within(64 << 20), 2) == single, "{size}: tiles as high as is useful");
    }
}

#[test]
fn higher_tiles_fill_what_one_row_tiles_leave_free_and_no_more() {
    for (network, size) in cases() {
        let planned = |tiling| Plan::builder(&network, size).tiling(tiling).build().unwrap();
        let (smallest, single) = (Plan::builder(&network, size).build().unwrap(), planned(Tiling::Rows(1)));
        assert_eq!(smallest.arena_bytes(), single.arena_bytes(), "{size}");
        assert!(single.moments().all(|moment| moment.tile == 1), "{size}");
        assert!(smallest.moments().any(|moment| moment.tile > 1), "{size}: no step has room for a second row");

        let budget = smallest.arena_bytes() + 4096;
        let within = planned(Tiling::Within(budget));
        assert!(within.arena_bytes() <= budget, "{size}: {} of {budget} bytes", within.arena_bytes());
        for (more, less) in within.moments().zip(smallest.moments()) {
            assert!(more.tile >= less.tile, "{size}: {} has lower tiles in more memory", more.step);
        }
    }
}

#[test]
fn a_budget_below_the_smallest_arena_is_refused_with_what_is_needed() {
    for (network, size) in cases() {
        let needed = Plan::builder(&network, size).build().unwrap().arena_bytes();
        let within = |given| Plan::builder(&network, size).tiling(Tiling::Within(given)).build();
        assert_eq!(within(needed - 1).unwrap_err(), PlanError::Budget { needed, given: needed - 1 });
        assert_eq!(within(needed).unwrap().arena_bytes(), needed);
    }
}
