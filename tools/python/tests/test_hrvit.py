"""The module against the command: HRVIT is the command, HRVIT_MODEL an image that it made, both absolute; run by `cargo xtask capi`."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest
import zlib

import numpy as np

import hrvit

ROOT = pathlib.Path(__file__).resolve().parents[3]
COMMAND = os.environ["HRVIT"]
IMAGE = os.environ["HRVIT_MODEL"]
CHECKPOINT = ROOT / "models/nano_camvid11.safetensors"
CALIBRATION = ROOT / "data/calib"
NETWORK = {"variant": "nano", "head": "segformer", "classes": 11}


def said(*words):
    """The document that the command prints with --json."""
    done = subprocess.run([COMMAND, "--json", *map(str, words)], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def shares(cells, pixels):
    """The share of each pixel in each cell of an area filter, (cells, pixels)."""
    width = pixels / cells
    begin, at = np.arange(cells)[:, None] * width, np.arange(pixels)[None, :]
    return (np.minimum(begin + width, at + 1) - np.maximum(begin, at)).clip(0) / width


class Frames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.model = hrvit.Model.open(IMAGE)
        cls.frame = cls.model.golden_frame()
        cls.labels = cls.model.segment(cls.frame)

    def test_labels_do_not_depend_on_kernels_threads_and_strides(self):
        scalar = hrvit.Model.open(pathlib.Path(IMAGE), isa="scalar", threads=2)
        self.assertEqual(scalar.kernels, "scalar")
        np.testing.assert_array_equal(scalar.segment(self.frame), self.labels)
        padded = np.zeros((self.frame.shape[0], self.frame.shape[1] + 5, 3), np.uint8)
        padded[:, :-5] = self.frame
        np.testing.assert_array_equal(self.model.segment(padded[:, :-5]), self.labels)

    def test_labels_are_those_of_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            raw = pathlib.Path(folder, "frame.ppm")
            height, width = self.model.size
            raw.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + self.frame.tobytes())
            said("run", "--model", IMAGE, "--out", folder, raw)
            labels = said_png(pathlib.Path(folder), height, width)
        np.testing.assert_array_equal(labels, self.labels)

    def test_labels_of_a_cameras_frame_are_those_of_the_picture_that_its_rows_make(self):
        width, height = 330, 246
        rows, columns = np.mgrid[0 : height * 3 // 2, 0:width]
        buffer = (40 + 150 * (rows + columns) / (width + 2 * height)).astype(np.uint8).ravel()
        camera = hrvit.Camera("nv12", width, height, matrix="bt709", rotation=90, fit="letterbox")
        self.assertEqual(buffer.size, camera.frame_bytes)
        labels = self.model.segment_camera(camera, buffer)
        np.testing.assert_array_equal(labels, self.model.segment(camera.input(buffer, self.model.size)))
        own = camera.labels(labels)
        self.assertEqual((own.shape, set(np.unique(own)) - set(np.unique(labels))), ((height, width), set()))
        drawn = camera.overlay(buffer, labels, [(255, 0, 0, 128)] * self.model.classes)
        self.assertTrue(drawn.size == buffer.size and (drawn != buffer).any())
        self.assertEqual(camera.picture(buffer).shape, (height, width, 3))
        plain = hrvit.Camera("rgb", self.model.size[1], self.model.size[0])
        np.testing.assert_array_equal(self.model.segment_camera(plain, self.frame.ravel()), self.labels)
        for wrong in ({"format": "nv13"}, {"rotation": 45}, {"region": (0, 0, 9, 999)}, {"fit": "tear"}, {"strides": [1]}):
            with self.assertRaises(hrvit.Error):
                hrvit.Camera(**{"format": "nv12", "width": 16, "height": 16, **wrong})
        with self.assertRaises(hrvit.Error):
            self.model.segment_camera(camera, buffer[:-1])

    def test_rows_of_a_cameras_frame_are_the_area_filter_in_real_numbers(self):
        """NV12 of 1280x720 to 192x256: every value within 2 of 255, the mean within 0.5 (docs/camera.md)."""
        (height, width), size, random = (720, 1280), (192, 256), np.random.default_rng(5)
        y, x = np.mgrid[0:height, 0:width]
        waves = 120 + 50 * np.sin(y / 9) * np.cos(x / 13) + random.normal(0, 4, (height, width)) + 20 * ((y // 48 + x // 64) % 2)
        tints = np.stack([128 + 16 * np.sin(x[::2, ::2] / 50), 128 + 16 * np.cos(y[::2, ::2] / 40)], axis=-1)
        noise = random.integers(0, 256, height * width * 3 // 2).astype(np.uint8)
        picture = np.concatenate([waves.ravel(), tints.ravel()]).round().astype(np.uint8)
        for full_range, (kr, kb) in ((False, (0.299, 0.114)), (True, (0.2126, 0.0722))):
            for name, buffer in (("picture", picture), ("noise", noise)):
                luma = buffer[: height * width].reshape(height, width).astype(float)
                u, v = (buffer[height * width + part :: 2].reshape(height // 2, width // 2).repeat(2, 0).repeat(2, 1) - 128.0 for part in (0, 1))
                if not full_range:
                    luma, u, v = (luma - 16) * 255 / 219, u * 255 / 224, v * 255 / 224
                kg = 1 - kr - kb
                rgb = np.stack([luma + 2 * (1 - kr) * v, luma - 2 * (1 - kb) * kb / kg * u - 2 * (1 - kr) * kr / kg * v, luma + 2 * (1 - kb) * u], axis=-1)
                if name == "picture":
                    rgb = rgb.clip(0, 255)  # noise has colours that no screen shows: they are clamped after the filter
                rows, columns = (shares(cells, pixels) for cells, pixels in zip(size, (height, width)))
                want = np.einsum("ah,hwc,bw->abc", rows, rgb, columns, optimize=True).clip(0, 255)
                camera = hrvit.Camera("nv12", width, height, matrix="bt709" if full_range else "bt601", full_range=full_range)
                off = np.abs(camera.input(buffer, size) - want)
                self.assertTrue(off.max() <= 2 and off.mean() <= 0.5, f"{name}: largest {off.max()}, mean {off.mean()}")
                self.assertGreater(want.std(), 5)

    def test_logits_decide_labels(self):
        logits = self.model.logits(self.frame)
        height, width = self.model.size
        self.assertEqual((logits.shape, logits.dtype), ((height // 4, width // 4, self.model.classes), np.float32))
        self.assertLess(np.mean(logits.argmax(axis=2) != self.labels[2::4, 2::4]), 0.1)

    def test_margins_come_with_the_same_labels(self):
        labels, margins = self.model.segment_with_margins(self.frame, 8.0)
        np.testing.assert_array_equal(labels, self.labels)
        self.assertEqual((margins.shape, margins.dtype), (labels.shape, np.float32))
        self.assertTrue(0 <= margins.min() < margins.max() < 17)

    def test_an_image_names_its_classes(self):
        self.assertEqual((self.model.head, self.model.classes), ("segformer", 11))
        self.assertIn(len(self.model.class_names), (0, 11))
        self.assertEqual(len(self.model.colours), len(self.model.class_names))

    def test_errors_say_what_is_wrong(self):
        with self.assertRaisesRegex(hrvit.Error, "shape"):
            self.model.segment(self.frame[:-1])
        with self.assertRaises(TypeError):
            self.model.segment(self.frame.astype(np.float32))
        with self.assertRaisesRegex(hrvit.Error, "none.hrvit"):
            hrvit.Model.open("none.hrvit")
        with self.assertRaises(hrvit.Error):
            self.model.classify(self.frame)
        with self.assertRaisesRegex(hrvit.Error, "abacus"):
            hrvit.Model.open(IMAGE, isa="abacus")


def untimed(document):
    """A document without its times and the name of the file that was written."""
    if isinstance(document, dict):
        return {name: untimed(value) for name, value in document.items() if name not in ("seconds", "file")}
    return [untimed(value) for value in document] if isinstance(document, list) else document


def said_png(folder, height, width):
    """The label map that the command wrote: an 8-bit picture of one channel, or of a palette."""
    (path,) = [path for path in folder.rglob("*.png") if "overlay" not in path.name]
    data, at, body = path.read_bytes(), 8, b""
    while at < len(data):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        if kind == b"IDAT":
            body += data[at + 8 : at + 8 + size]
        at += 12 + size
    rows = np.frombuffer(zlib.decompress(body), np.uint8).reshape(height, width + 1)
    labels, above = np.zeros((height, width), np.uint8), np.zeros(width, np.int32)
    for y, row in enumerate(rows):
        kind, line = row[0], row[1:].astype(np.int32)
        for x in range(width):
            left = line[x - 1] if x else 0
            corner = above[x - 1] if x else 0
            line[x] = (line[x] + predicted(kind, left, above[x], corner)) & 255
        labels[y], above = line, line
    return labels


def predicted(kind, left, up, corner):
    """The value that a filter of PNG adds."""
    if kind == 4:
        near = [(abs(up - corner), left), (abs(left - corner), up), (abs(left + up - 2 * corner), corner)]
        return min(near, key=lambda one: one[0])[1]
    return [0, left, up, (left + up) // 2][kind]


class Commands(unittest.TestCase):
    def test_quantize_makes_the_image_of_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            ours, theirs = pathlib.Path(folder, "ours.hrvit"), pathlib.Path(folder, "theirs.hrvit")
            options = {"weights": CHECKPOINT, **NETWORK, "size": "64x64", "calib": CALIBRATION, "allow_drift": True, "force": True}
            told = hrvit.quantize(out=ours, **options)
            words = [[f"--{name.replace('_', '-')}"] + ([] if value is True else [value]) for name, value in options.items()]
            expected = said("quantize", *sum(words, []), "--out", theirs)
            self.assertEqual(ours.read_bytes(), theirs.read_bytes())
            self.assertEqual(untimed(told), untimed(expected))

            told = hrvit.report(model=ours, weights=CHECKPOINT, data=ROOT / "data/val", frames=2, step_frames=1, resamples=50, out=pathlib.Path(folder, "r.html"))
            self.assertEqual(told["subject"]["frames"], 2)
            self.assertTrue(0 <= told["drift"][0]["agreement"]["overall"] <= 1)

    def test_classes_are_those_of_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            weights, image, raw = (pathlib.Path(folder, name) for name in ("c.safetensors", "c.hrvit", "frame.ppm"))
            network = {"variant": "nano", "head": "classifier", "classes": 5}
            hrvit.command("synth", *sum(([f"--{name}", str(value)] for name, value in network.items()), []), "--seed", "1", "--out", str(weights))
            hrvit.quantize(weights=weights, **network, size="32x32", calib=CALIBRATION, allow_drift=True, force=True, out=image)
            frame = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
            raw.write_bytes(b"P6\n32 32\n255\n" + frame.tobytes())
            (expected,) = said("run", "--model", image, "--out", folder, raw)
            model = hrvit.Model.open(image)
            found = model.classify(frame, top=5)
            self.assertEqual([label for label, _ in found], [one["class"] for one in expected["classes"]])
            np.testing.assert_array_equal(np.float32([logit for _, logit in found]), np.float32([one["logit"] for one in expected["classes"]]))
            logits = model.logits(frame)
            self.assertEqual(logits.shape, (5,))
            self.assertEqual(np.argmax(logits), found[0][0])

    def test_any_command_gives_its_document(self):
        words = ["inspect", "--variant", "nano", "--head", "segformer", "--classes", "11", "--size", "192x256"]
        self.assertEqual(hrvit.command(*words), said(*words))
        with self.assertRaises(hrvit.Error):
            hrvit.command("inspekt")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
