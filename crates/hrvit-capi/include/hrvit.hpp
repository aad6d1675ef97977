// hrvit.hpp: hrvit.h for C++17. Handles that close themselves, spans, results that hold a value or
// an error; no exceptions, no RTTI, no heap, nothing but this header and libhrvit.
//
// MIT or Apache-2.0.
//
//     auto model = hrvit::Model::open_file("b1.hrvit");
//     if (!model)
//         return fail(model.message());
//     auto engine = hrvit::Engine::open(*model);
//     if (!engine)
//         return fail(engine.message());
//     std::vector<std::uint8_t> labels(engine->info().label_bytes);
//     if (auto done = engine->segment(hrvit::rgb(pixels), {labels}); !done)
//         return fail(done.message());
//
// The rules of hrvit.h on units, lifetimes and threads hold here too. An engine must be destroyed
// before its model (declare it after the model), and not while it runs a frame: else it stays open
// until the program ends. Structures of hrvit.h begin with make:
//
//     auto options = hrvit::make<hrvit_engine_options>();
//     options.workers = 4;
//
// Handles do not copy. To keep one in a member, move it there:
//
//     model_ = std::move(*opened);
//
// Move assignment swaps: what the member held before is then in `opened`, and closed with it.
#ifndef HRVIT_HPP
#define HRVIT_HPP

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#include "hrvit.h"

namespace hrvit {

/// Memory of somebody else's: a pointer and a number of elements. Made from arrays, from anything
/// that has `data()` and `size()` (std::vector, std::array, std::string, C++20's std::span), or from
/// both numbers. It does not keep alive what it was made from.
template <class T>
class Span {
public:
    constexpr Span() noexcept = default;
    constexpr Span(T *data, std::size_t size) noexcept : data_(data), size_(size) {}
    template <std::size_t N>
    constexpr Span(T (&array)[N]) noexcept : data_(array), size_(N)
    {
    }
    template <class C, class = std::enable_if_t<std::is_convertible_v<decltype(std::declval<C &>().data()), T *>>>
    constexpr Span(C &&container) noexcept : data_(container.data()), size_(container.size())
    {
    }

    constexpr T *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr T *begin() const noexcept { return data_; }
    constexpr T *end() const noexcept { return data_ + size_; }
    constexpr T &operator[](std::size_t at) const noexcept { return data_[at]; }

private:
    T *data_ = nullptr;
    std::size_t size_ = 0;
};

/// The library's version, such as "0.1.0".
inline const char *version() noexcept { return hrvit_version(); }

/// Abilities of the library: a sum of HRVIT_FEATURE_...
inline std::uint32_t features() noexcept { return hrvit_features(); }

/// A structure of hrvit.h that begins with its size; the rest is zero.
template <class T>
T make() noexcept
{
    T made{};
    made.struct_size = static_cast<std::uint32_t>(sizeof(T));
    return made;
}

/// Outcome of a call: true if all is well, else a code and a sentence.
class [[nodiscard]] Outcome {
public:
    Outcome() noexcept : error_(make<hrvit_error>()) {}

    explicit operator bool() const noexcept { return error_.status == HRVIT_OK; }
    hrvit_status status() const noexcept { return static_cast<hrvit_status>(error_.status); }
    /// Empty if all is well; lives as long as this object.
    const char *message() const noexcept { return error_.text; }
    /// For the last argument of a function of hrvit.h.
    hrvit_error *error() noexcept { return &error_; }

private:
    hrvit_error error_;
};

/// A value, or why there is none.
template <class T>
class [[nodiscard]] Result : public Outcome {
public:
    /// The value; after an error an empty one.
    T &operator*() noexcept { return value_; }
    const T &operator*() const noexcept { return value_; }
    T *operator->() noexcept { return &value_; }
    const T *operator->() const noexcept { return &value_; }

private:
    T value_{};
};

/// A text of at most 63 bytes. A longer one is cut, and the result an error (HRVIT_ERROR_SIZE).
struct Text {
    char text[64] = "";

    const char *c_str() const noexcept { return text; }
};

/// Red, green, blue.
struct Colour {
    std::uint8_t rgb[3] = {0, 0, 0};
};

/// A checked model image.
class Model {
public:
    Model() noexcept = default;
    Model(Model &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
    Model &operator=(Model &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Model() { close(); }

    /// The image in `image`, which must stay there and be aligned, unless `flags` is HRVIT_MODEL_COPY.
    static Result<Model> open(Span<const std::uint8_t> image, std::uint32_t flags = 0) noexcept
    {
        Result<Model> opened;
        auto options = make<hrvit_model_options>();
        options.flags = flags;
        hrvit_model_open(image.data(), image.size(), &options, &opened->handle_, opened.error());
        return opened;
    }

    /// The image in a file, which must stay as it is, unless `flags` is HRVIT_MODEL_COPY.
    static Result<Model> open_file(const char *path, std::uint32_t flags = 0) noexcept
    {
        Result<Model> opened;
        auto options = make<hrvit_model_options>();
        options.flags = flags;
        hrvit_model_open_file(path, &options, &opened->handle_, opened.error());
        return opened;
    }

    /// HRVIT_ERROR_IN_USE while engines of it live; then it stays open.
    hrvit_status close() noexcept
    {
        const auto status = handle_ == nullptr ? HRVIT_OK : hrvit_model_close(handle_, nullptr);
        if (status == HRVIT_OK)
            handle_ = nullptr;
        return status;
    }

    Result<hrvit_model_info> describe() const noexcept
    {
        Result<hrvit_model_info> info;
        *info = make<hrvit_model_info>();
        hrvit_model_describe(handle_, &*info, info.error());
        return info;
    }

    /// Needs of an engine with these options.
    Result<hrvit_engine_info> plan(const hrvit_engine_options &options = make<hrvit_engine_options>()) const noexcept
    {
        Result<hrvit_engine_info> info;
        *info = make<hrvit_engine_info>();
        hrvit_plan(handle_, &options, &*info, info.error());
        return info;
    }

    Result<Text> class_name(std::uint32_t class_index) const noexcept
    {
        Result<Text> name;
        hrvit_model_class_name(handle_, class_index, name->text, sizeof name->text, name.error());
        return name;
    }

    Result<Colour> class_colour(std::uint32_t class_index) const noexcept
    {
        Result<Colour> colour;
        hrvit_model_class_colour(handle_, class_index, colour->rgb, colour.error());
        return colour;
    }

    Result<Text> step_name(std::uint32_t step_index) const noexcept
    {
        Result<Text> name;
        hrvit_model_step_name(handle_, step_index, name->text, sizeof name->text, name.error());
        return name;
    }

    /// The pixels of the golden frame, part of the image.
    Result<Span<const std::uint8_t>> golden_frame() const noexcept
    {
        Result<Span<const std::uint8_t>> frame;
        const std::uint8_t *pixels = nullptr;
        std::size_t bytes = 0;
        hrvit_model_golden_frame(handle_, &pixels, &bytes, frame.error());
        *frame = {pixels, bytes};
        return frame;
    }

    /// The CRC-32 of what a step of the golden frame must leave; of the label map with the last step.
    Result<std::uint32_t> golden_crc(std::uint32_t step_index) const noexcept
    {
        Result<std::uint32_t> crc;
        hrvit_model_golden_crc(handle_, step_index, &*crc, crc.error());
        return crc;
    }

    /// Real values of logits; `values` has as many elements.
    Outcome logit_values(Span<const std::int16_t> logits, Span<float> values) const noexcept
    {
        Outcome done;
        // A length that does not fit is refused by the library, as every other.
        const auto count = logits.size() == values.size() ? logits.size() : SIZE_MAX;
        hrvit_model_logit_values(handle_, logits.data(), count, values.data(), done.error());
        return done;
    }

    Result<std::uint32_t> margin_shift(float range) const noexcept
    {
        Result<std::uint32_t> shift;
        hrvit_model_margin_shift(handle_, range, &*shift, shift.error());
        return shift;
    }

    Result<float> margin_unit(std::uint32_t shift) const noexcept
    {
        Result<float> unit;
        hrvit_model_margin_unit(handle_, shift, &*unit, unit.error());
        return unit;
    }

    hrvit_model *handle() const noexcept { return handle_; }

private:
    hrvit_model *handle_ = nullptr;
};

/// A frame of RGB pixels; `row_bytes` from row to row, or 0 where rows have no padding.
inline hrvit_frame rgb(Span<const std::uint8_t> pixels, std::size_t row_bytes = 0) noexcept
{
    auto frame = make<hrvit_frame>();
    frame.format = HRVIT_FRAME_RGB8;
    frame.pixels = pixels.data();
    frame.bytes = pixels.size();
    frame.row_bytes = row_bytes;
    return frame;
}

/// Buffers for the results of a frame: labels always, the others if they are not empty.
struct Results {
    Span<std::uint8_t> labels;
    Span<std::uint8_t> margins{};
    std::uint32_t margin_shift = 0;
    Span<std::int16_t> logits{};
};

/// A model, a plan and an arena, ready to run frames.
class Engine {
public:
    Engine() noexcept = default;
    Engine(Engine &&other) noexcept : handle_(std::exchange(other.handle_, nullptr)), info_(other.info_) {}
    Engine &operator=(Engine &&other) noexcept
    {
        std::swap(handle_, other.handle_);
        std::swap(info_, other.info_);
        return *this;
    }
    ~Engine() { close(); }

    /// An engine of `model`, which must outlive it.
    static Result<Engine> open(const Model &model, const hrvit_engine_options &options = make<hrvit_engine_options>()) noexcept
    {
        Result<Engine> opened;
        if (hrvit_engine_open(model.handle(), &options, &opened->handle_, opened.error()) == HRVIT_OK)
            hrvit_engine_describe(opened->handle_, &opened->info_, opened.error());
        return opened;
    }

    /// HRVIT_ERROR_BUSY while a frame runs; then it stays open.
    hrvit_status close() noexcept
    {
        const auto status = handle_ == nullptr ? HRVIT_OK : hrvit_engine_close(handle_, nullptr);
        if (status == HRVIT_OK)
            handle_ = nullptr;
        return status;
    }

    /// The plan that it was opened with.
    const hrvit_engine_info &info() const noexcept { return info_; }

    /// Segments a frame.
    Outcome segment(const hrvit_frame &frame, const Results &results, const hrvit_run_options *options = nullptr) noexcept
    {
        Outcome done;
        const auto into = c_results(results);
        hrvit_engine_segment(handle_, &frame, &into, options, done.error());
        return done;
    }

    /// Segments a frame and calls `step` with every `const hrvit_step &` before it begins and when it
    /// has ended; it returns false to stop the frame, and must not throw. It is a lambda, another
    /// object with `operator()`, or a function.
    template <class Step, class = std::enable_if_t<!std::is_convertible_v<Step, const hrvit_run_options *>>>
    Outcome segment(const hrvit_frame &frame, const Results &results, Step &&step) noexcept
    {
        auto &&call = callable(step);
        const auto options = stepwise(call);
        return segment(frame, results, &options);
    }

    /// Options that call `step` as in `segment`, for the functions below; `step` must outlive the
    /// call. A function is handed over as a pointer to it: `auto *step = my_step;`.
    template <class Step>
    static hrvit_run_options stepwise(Step &step) noexcept
    {
        static_assert(!std::is_function_v<Step>, "hand over a variable that holds a pointer to the function");
        auto options = make<hrvit_run_options>();
        options.step = [](void *context, const hrvit_step *at) noexcept -> std::int32_t { return (*static_cast<Step *>(context))(*at) ? 0 : 1; };
        options.step_context = const_cast<void *>(static_cast<const void *>(&step));
        return options;
    }

    /// Segments a frame whose rows `row` writes: `bool row(std::uint32_t y, Span<std::uint8_t> pixels)`,
    /// false where it cannot. It must not throw. It is a lambda, another object with `operator()`,
    /// or a function.
    template <class Row>
    Outcome segment_rows(Row &&row, const Results &results, const hrvit_run_options *options = nullptr) noexcept
    {
        Outcome done;
        const auto into = c_results(results);
        auto &&call = callable(row);
        using Call = std::remove_reference_t<decltype(call)>;
        const hrvit_row_fn ask = [](void *context, std::uint32_t y, std::uint8_t *pixels, std::size_t bytes) noexcept -> std::int32_t {
            return (*static_cast<Call *>(context))(y, Span<std::uint8_t>(pixels, bytes)) ? 0 : 1;
        };
        void *context = const_cast<void *>(static_cast<const void *>(&call));
        hrvit_engine_segment_rows(handle_, ask, context, &into, options, done.error());
        return done;
    }

    /// The best classes of a frame, the best first.
    Outcome classify(const hrvit_frame &frame, Span<hrvit_ranked> ranked, const hrvit_run_options *options = nullptr) noexcept
    {
        Outcome done;
        hrvit_engine_classify(handle_, &frame, ranked.data(), ranked.size(), options, done.error());
        return done;
    }

    /// The logits of a frame, `info().logit_count` of them.
    Outcome logits(const hrvit_frame &frame, Span<std::int16_t> logits, const hrvit_run_options *options = nullptr) noexcept
    {
        Outcome done;
        hrvit_engine_logits(handle_, &frame, logits.data(), logits.size(), options, done.error());
        return done;
    }

    hrvit_engine *handle() const noexcept { return handle_; }

    /// Results as the functions of hrvit.h take them.
    static hrvit_segmentation c_results(const Results &results) noexcept
    {
        auto into = make<hrvit_segmentation>();
        into.margin_shift = results.margin_shift;
        into.labels = results.labels.data();
        into.labels_bytes = results.labels.size();
        into.margins = results.margins.data();
        into.margins_bytes = results.margins.size();
        into.logits = results.logits.data();
        into.logits_count = results.logits.size();
        return into;
    }

private:
    /// A thing whose address a `void *` holds: the object itself, or a pointer to the function.
    template <class Call>
    static decltype(auto) callable(Call &call) noexcept
    {
        if constexpr (std::is_function_v<Call>)
            return &call;
        else
            return (call);
    }

    hrvit_engine *handle_ = nullptr;
    hrvit_engine_info info_ = make<hrvit_engine_info>();
};

} // namespace hrvit

#endif // HRVIT_HPP
