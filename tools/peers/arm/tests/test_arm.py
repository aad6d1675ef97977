"""Tests that need neither an emulator nor a runtime: `python3 -m unittest discover -s tools/peers/arm/tests -t tools/peers/arm`, standard library only."""

import sys
import unittest
from pathlib import Path

ARM = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ARM), str(ARM.parent)]

import count  # noqa: E402
import instructions  # noqa: E402
import system  # noqa: E402

WORDS = [
    (0x4E22CC20, "f32"),  # fmla v0.4s, v1.4s, v2.4s
    (0x4FA21020, "f32"),  # fmla v0.4s, v1.4s, v2.s[1]
    (0x6E22DC20, "f32"),  # fmul v0.4s, v1.4s, v2.4s
    (0x4EA2CC20, "f32"),  # fmls v0.4s, v1.4s, v2.4s
    (0x6FA29020, "f32"),  # fmulx v0.4s, v1.4s, v2.s[1]
    (0x4E62CC20, None),  # fmla v0.2d, v1.2d, v2.2d
    (0x4E420C20, "f16"),  # fmla v0.8h, v1.8h, v2.8h
    (0x4F321020, "f16"),  # fmla v0.8h, v1.8h, v2.h[3]
    (0x6E421C20, "f16"),  # fmul v0.8h, v1.8h, v2.8h
    (0x4E22EC20, "fmlal"),  # fmlal v0.4s, v1.4h, v2.4h
    (0x6F928020, "fmlal"),  # fmlal2 v0.4s, v1.4h, v2.h[1]
    (0x0E22C020, "smull"),  # smull v0.8h, v1.8b, v2.8b
    (0x4E228020, "smull"),  # smlal2 v0.8h, v1.16b, v2.16b
    (0x2F622020, "smull"),  # umlal v0.4s, v1.4h, v2.h[2]
    (0x0E22E020, None),  # pmull v0.8h, v1.8b, v2.8b
    (0x0E220020, None),  # saddl v0.8h, v1.8b, v2.8b
    (0x4E829420, "sdot"),  # sdot v0.4s, v1.16b, v2.16b
    (0x6FA2E020, "sdot"),  # udot v0.4s, v1.16b, v2.4b[1]
    (0x4E829C20, "smmla"),  # usdot v0.4s, v1.16b, v2.16b
    (0x4F02F020, "smmla"),  # sudot v0.4s, v1.16b, v2.4b[0]
    (0x4E82A420, "smmla"),  # smmla v0.4s, v1.16b, v2.16b
    (0x4E82AC20, "smmla"),  # usmmla v0.4s, v1.16b, v2.16b
    (0x6E42FC20, "bf16"),  # bfdot v0.4s, v1.8h, v2.8h
    (0x6E42EC20, "bf16"),  # bfmmla v0.4s, v1.8h, v2.8h
    (0x0FD2F020, "bf16"),  # bfmlalb v0.4s, v1.8h, v2.h[1]
    (0x65A20020, "SVE"),  # fmla z0.s, p0/m, z1.s, z2.s
    (0x25A11C00, "SVE"),  # whilelo p0.s, x0, x1
    (0x80812000, "SME"),  # fmopa za0.s, p0/m, p1/m, z0.s, z1.s
    (0x4EA28420, None),  # add v0.4s, v1.4s, v2.4s
    (0x4EA29420, None),  # mla v0.4s, v1.4s, v2.4s
    (0x4F428020, None),  # mul v0.8h, v1.8h, v2.h[0]
    (0x4F52C020, None),  # sqdmulh v0.8h, v1.8h, v2.h[1]
    (0x6E828420, None),  # sqrdmlah v0.4s, v1.4s, v2.4s
    (0x4E422420, None),  # fcmeq v0.8h, v1.8h, v2.8h
    (0x4EA2FC20, None),  # frsqrts v0.4s, v1.4s, v2.4s
    (0x1F020C20, None),  # fmadd s0, s1, s2, s3
    (0x4F03F600, None),  # fmov v0.4s, #1.0
    (0x4F3D0420, None),  # sshr v0.4s, v1.4s, #3
    (0x3DC00000, None),  # ldr q0, [x0]
    (0x94000000, None),  # bl .
]
"""Instructions as GNU as assembles them."""


def row(contender: str, instructions: float, agreement: float = 100.0) -> dict:
    return {"processor": "a53", "contender": contender, "version": "1", "instructions": instructions, "multiplies": {"f32": 0.5}, "agreement": agreement}


class Instructions(unittest.TestCase):
    def test_words_are_of_their_kind(self):
        for word, kind in WORDS:
            with self.subTest(word=f"{word:08x}"):
                self.assertEqual(instructions.multiplies(word), kind)

    def test_blocks_count_their_length_each_time(self):
        frames, threads = instructions.read(["frame", "3 4e829420 94000000", "1 94000000", "frame", "2 4e22cc20", "threads 4"])
        self.assertEqual([frame.total for frame in frames], [7, 2])
        self.assertEqual((frames[0].kinds["sdot"], frames[1].kinds["f32"], threads), (3, 2, 4))

    def test_counts_without_an_end_are_refused(self):
        self.assertRaises(ValueError, instructions.read, ["frame", "3 94000000"])

    def test_a_rare_multiplication_is_not_named(self):
        frame = instructions.Frame(1000, instructions.Counter(sdot=100, f32=4))
        self.assertEqual(instructions.used(frame), {"sdot": 0.1})


class System(unittest.TestCase):
    def test_features_of_processors_without_and_with_dot_products(self):
        self.assertEqual(system.features(0x8FB, 0), ["fp", "asimd", "aes", "pmull", "sha1", "sha2", "crc32", "cpuid"])
        self.assertIn("asimddp", system.features(0x119FFB, 0))
        self.assertIn("i8mm", system.features(0, 0x76181))

    def test_cpuinfo_names_the_model(self):
        text = system.cpuinfo(system.PROCESSORS["a53"], ["fp", "asimd"])
        self.assertIn("Features        : fp asimd\n", text)
        self.assertIn("CPU part        : 0xd03\n", text)


class Table(unittest.TestCase):
    def test_ratios_are_to_our_int8(self):
        text = count.table([row(count.OURS, 2e6), row("mnn-fp32", 5e6)])
        self.assertIn("| a53 | mnn-fp32 | 1 | 5.0 | 2.50 | 100.00 | `f32` 50 % |", text)

    def test_labels_of_another_network_are_wrong(self):
        self.assertEqual(count.wrong([row(count.OURS, 1, 85), row("mnn-fp32", 1, 99.5)]), [])
        self.assertIn("mnn-fp32 on a53", count.wrong([row("mnn-fp32", 1, 95)])[0])

    def test_ours_runs_whatever_is_chosen(self):
        run, skipped = count.chosen(["onnxruntime-int8"])
        self.assertEqual(([contender.name for contender in run], skipped), ([count.OURS, "onnxruntime-int8"], []))


if __name__ == "__main__":
    unittest.main()
