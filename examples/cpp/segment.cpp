// segment MODEL [WORKERS]: segments the golden frame of a model image and prints what it sees, how
// sure it is and the CRC-32 of the label map.
//
// C++17, without exceptions and RTTI:
//   flags=$(pkg-config --cflags --libs hrvit-static)
//   c++ -std=c++17 -fno-exceptions -fno-rtti -I../c segment.cpp $flags -o segment
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <vector>

#include "crc32.h"
#include "hrvit.hpp"

namespace {

int fail(const char *what, const hrvit::Outcome &outcome)
{
    std::fprintf(stderr, "%s: %s (code %d)\n", what, outcome.message(), static_cast<int>(outcome.status()));
    return 1;
}

// Stops the frame before the fourth step.
bool three_steps(const hrvit_step &step) { return step.index < 3; }

int see(const char *path, std::uint32_t workers)
{
    auto model = hrvit::Model::open_file(path);
    if (!model)
        return fail("opening the model", model);
    const auto about = model->describe();
    const auto golden = model->golden_frame();
    const auto shift = model->margin_shift(8.0f);
    const auto expected = model->golden_crc(about->steps - 1);
    for (const hrvit::Outcome &outcome : {std::cref<hrvit::Outcome>(about), std::cref<hrvit::Outcome>(golden), std::cref<hrvit::Outcome>(shift)})
        if (!outcome)
            return fail("reading the model", outcome);

    auto options = hrvit::make<hrvit_engine_options>();
    options.workers = workers;
    auto engine = hrvit::Engine::open(*model, options);
    if (!engine)
        return fail("opening the engine", engine);

    std::vector<std::uint8_t> labels(engine->info().label_bytes), margins(engine->info().label_bytes);
    hrvit::Results results{labels};
    results.margins = margins;
    results.margin_shift = *shift;
    std::uint32_t ended = 0;
    const auto count = [&ended](const hrvit_step &step) {
        ended += step.event == HRVIT_STEP_ENDED;
        return true;
    };
    if (auto done = engine->segment(hrvit::rgb(*golden), results, count); !done)
        return fail("segmenting", done);
    if (ended != about->steps) {
        std::fprintf(stderr, "%u steps ended, the model has %u\n", static_cast<unsigned>(ended), static_cast<unsigned>(about->steps));
        return 1;
    }
    const auto whole = crc32(labels.data(), labels.size());

    // The same from rows; then a frame that its callback stops.
    const std::size_t row_bytes = std::size_t{3} * engine->info().width;
    const auto row = [&](std::uint32_t y, hrvit::Span<std::uint8_t> pixels) {
        for (std::size_t at = 0; at < pixels.size(); at++)
            pixels[at] = (*golden)[y * row_bytes + at];
        return true;
    };
    const auto counted = hrvit::Engine::stepwise(count);
    if (auto done = engine->segment_rows(row, {labels}, &counted); !done)
        return fail("segmenting rows", done);
    if (ended != 2 * about->steps) {
        std::fprintf(stderr, "%u steps ended in two frames of %u\n", static_cast<unsigned>(ended), static_cast<unsigned>(about->steps));
        return 1;
    }
    if (crc32(labels.data(), labels.size()) != whole) {
        std::fprintf(stderr, "rows have other labels than the whole frame\n");
        return 1;
    }
    const auto stopped = engine->segment(hrvit::rgb(*golden), {labels}, three_steps);
    if (stopped.status() != HRVIT_ERROR_STOPPED)
        return fail("a frame that was stopped", stopped);

    double sum = 0;
    for (const auto margin : margins)
        sum += margin;
    const auto unit = model->margin_unit(*shift);
    std::printf("%s kernels, mean margin %.2f logits\n", engine->info().kernels, sum * static_cast<double>(*unit) / static_cast<double>(margins.size()));
    if (expected && *expected != whole) {
        std::fprintf(stderr, "labels %08x, but %08x when the image was made\n", static_cast<unsigned>(whole), static_cast<unsigned>(*expected));
        return 1;
    }
    std::printf("labels_crc=%08x\n", static_cast<unsigned>(whole));
    return 0;
}

} // namespace

int main(int count, char **arguments)
{
    if (count < 2) {
        std::fprintf(stderr, "usage: segment MODEL [WORKERS]\n");
        return 2;
    }
    return see(arguments[1], count > 2 ? static_cast<std::uint32_t>(std::strtoul(arguments[2], nullptr, 10)) : 1);
}
