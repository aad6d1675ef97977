// hrvit_camera.hpp: camera frames of hrvit.h for C++17, beside hrvit.hpp; no exceptions, no RTTI, no
// heap.
//
// MIT or Apache-2.0.
//
//     auto frame = hrvit::camera_frame(HRVIT_CAMERA_NV12, 1280, 720, {luma, chroma});
//     frame.rotation = 90;
//     std::vector<std::uint32_t> scratch(hrvit::camera_scratch(engine, frame).value_or(0));
//     if (auto done = hrvit::segment(engine, frame, scratch, {labels}); !done)
//         return fail(done.message());
//     hrvit::overlay(frame, labels, engine.info(), palette);
#ifndef HRVIT_CAMERA_HPP
#define HRVIT_CAMERA_HPP

#include <initializer_list>
#include <optional>

#include "hrvit.hpp"

namespace hrvit {

/// A frame of planes without padding between rows; its other fields say colours and view.
inline hrvit_camera_frame camera_frame(std::uint32_t format, std::uint32_t width, std::uint32_t height,
                                       std::initializer_list<Span<std::uint8_t>> planes) noexcept
{
    auto frame = make<hrvit_camera_frame>();
    frame.format = format;
    frame.width = width;
    frame.height = height;
    std::size_t number = 0;
    for (const auto &plane : planes) {
        if (number == HRVIT_CAMERA_PLANES)
            break;
        frame.planes[number] = plane.data();
        frame.plane_bytes[number] = plane.size();
        ++number;
    }
    return frame;
}

/// Words of scratch for such frames; none if there is no such frame.
inline std::optional<std::size_t> camera_scratch(const Engine &engine, const hrvit_camera_frame &frame) noexcept
{
    std::size_t words = 0;
    if (hrvit_camera_scratch(engine.handle(), &frame, &words, nullptr) != HRVIT_OK)
        return std::nullopt;
    return words;
}

/// Segments a camera's frame. With `{}` for `scratch` the library allocates its own.
inline Outcome segment(Engine &engine, const hrvit_camera_frame &frame, Span<std::uint32_t> scratch, const Results &results,
                       const hrvit_run_options *options = nullptr) noexcept
{
    Outcome done;
    const auto into = Engine::c_results(results);
    hrvit_engine_segment_camera(engine.handle(), &frame, scratch.data(), scratch.size(), &into, options, done.error());
    return done;
}

/// Lays the colours of labels, of the size of `plan`, over the frame.
inline Outcome overlay(hrvit_camera_frame &frame, Span<const std::uint8_t> labels, const hrvit_engine_info &plan,
                       Span<const hrvit_ink> palette) noexcept
{
    Outcome done;
    hrvit_camera_overlay(&frame, labels.data(), labels.size(), plan.height, plan.width, palette.data(), palette.size(), done.error());
    return done;
}

} // namespace hrvit

#endif // HRVIT_CAMERA_HPP
