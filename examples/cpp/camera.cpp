// camera MODEL FRAME.nv12 WIDTH HEIGHT: segments a frame as a camera left it and prints the CRC-32 of
// its label map.
//
//   c++ -std=c++17 camera.cpp $(pkg-config --cflags --libs hrvit) -o camera
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "crc32.h"
#include "hrvit_camera.hpp"

static int fail(const char *what, const char *message)
{
    std::fprintf(stderr, "%s: %s\n", what, message);
    return 1;
}

int main(int count, char **arguments)
{
    if (count < 5) {
        std::fprintf(stderr, "usage: camera MODEL FRAME.nv12 WIDTH HEIGHT\n");
        return 2;
    }
    const auto width = static_cast<std::uint32_t>(std::strtoul(arguments[3], nullptr, 10));
    const auto height = static_cast<std::uint32_t>(std::strtoul(arguments[4], nullptr, 10));
    const std::size_t luma = std::size_t{width} * height;
    std::vector<std::uint8_t> buffer(luma + 2 * (std::size_t{(width + 1) / 2} * ((height + 1) / 2)));
    std::FILE *file = std::fopen(arguments[2], "rb");
    const std::size_t found = file != nullptr ? std::fread(buffer.data(), 1, buffer.size(), file) : 0;
    if (file != nullptr)
        std::fclose(file);
    if (found != buffer.size())
        return fail(arguments[2], "has not a frame's bytes");

    auto model = hrvit::Model::open_file(arguments[1]);
    if (!model)
        return fail("opening the model", model.message());
    auto engine = hrvit::Engine::open(*model);
    if (!engine)
        return fail("opening the engine", engine.message());
    auto frame = hrvit::camera_frame(HRVIT_CAMERA_NV12, width, height, {{buffer.data(), luma}, {buffer.data() + luma, buffer.size() - luma}});
    std::vector<std::uint32_t> scratch(hrvit::camera_scratch(*engine, frame).value_or(0));
    std::vector<std::uint8_t> labels(engine->info().label_bytes);
    if (auto done = hrvit::segment(*engine, frame, scratch, {labels}); !done)
        return fail("segmenting", done.message());
    const std::vector<hrvit_ink> palette(256, hrvit_ink{0, 255, 0, 128});
    if (auto done = hrvit::overlay(frame, labels, engine->info(), palette); !done)
        return fail("drawing", done.message());
    std::printf("labels_crc=%08x\n", static_cast<unsigned>(crc32(labels.data(), labels.size())));
    return 0;
}
