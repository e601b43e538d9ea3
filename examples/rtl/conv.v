// An int8 convolution with one multiplier-accumulator: NHWC data, OHWI filters
// (depthwise: 1HWC), one tap a clock. Memories are filled from outside, by
// $readmemh or a cocotb test, before reset is released.
module conv #(
    parameter HEIGHT = 1, WIDTH = 1, CHANNELS = 1,
    parameter OUT_HEIGHT = 1, OUT_WIDTH = 1, OUT_CHANNELS = 1,
    parameter TALL = 1, WIDE = 1, STRIDE_H = 1, STRIDE_W = 1,
    parameter PAD_TOP = 0, PAD_LEFT = 0,
    parameter DEPTHWISE = 0,
    parameter SCALES = 1,            // multipliers: 1, or one a channel
    parameter BUG = 0,
    parameter FAULTY = 1,
    parameter SUM_BITS = 32,         // of the accumulator, where BUG is 5 or 6
    parameter RESCALED_BITS = 32     // of the rescaled value, where BUG is 7
) (
    input                    clk,
    input                    reset,
    input signed [31:0]      input_zero_point,
    input signed [31:0]      output_zero_point,
    input signed [31:0]      low,
    input signed [31:0]      high,
    output reg               valid,
    output reg signed [31:0] accumulator,
    output signed [7:0]      out,
    output reg               done
);
    localparam DEPTH = DEPTHWISE ? 1 : CHANNELS;
    localparam signed [31:0] HALF = 32'sd1 <<< (SUM_BITS - 1);
    localparam TAPS = TALL * WIDE * DEPTH;

    reg signed [7:0]  x       [0:HEIGHT * WIDTH * CHANNELS - 1];
    reg signed [7:0]  weights [0:TAPS * OUT_CHANNELS - 1];
    reg signed [31:0] bias    [0:OUT_CHANNELS - 1];
    reg signed [31:0] multiplier [0:SCALES - 1];
    reg signed [31:0] shift      [0:SCALES - 1];

    integer row, column, channel, r, c, d;
    integer y_at, x_at;
    reg signed [31:0] sum, tap, scale_multiplier, scale_shift;
    reg lane;  // the output is of the channel where planted bugs of the rescale are

    rescale #(.BUG(BUG), .BITS(RESCALED_BITS)) stage (
        .faulty(lane), .accumulator(accumulator), .multiplier(scale_multiplier), .shift(scale_shift),
        .zero_point(output_zero_point), .low(low), .high(high), .out(out)
    );

    always @(posedge clk) begin
        valid <= 1'b0;
        if (reset) begin
            row <= 0; column <= 0; channel <= 0; r <= 0; c <= 0; d <= 0;
            sum <= 0; done <= 1'b0;
        end else if (!done) begin
            y_at = row * STRIDE_H + r - PAD_TOP;
            x_at = column * STRIDE_W + c - PAD_LEFT;
            if (y_at < 0 || y_at >= HEIGHT || x_at < 0 || x_at >= WIDTH)
                tap = 0;  // beyond the border there is the zero point
            else
                tap = x[(y_at * WIDTH + x_at) * CHANNELS + (DEPTHWISE ? channel : d)]
                    - input_zero_point;
            if (DEPTHWISE)
                tap = sum + tap * weights[(r * WIDE + c) * OUT_CHANNELS + channel];
            else
                tap = sum + tap * weights[((channel * TALL + r) * WIDE + c) * DEPTH + d];
            if (BUG == 5) tap = ((tap + HALF) & (2 * HALF - 1)) - HALF;
            if (BUG == 6) tap = tap >= HALF ? HALF - 1 : tap < -HALF ? -HALF : tap;
            sum <= tap;
            if (d < DEPTH - 1) d <= d + 1;
            else begin
                d <= 0;
                if (c < WIDE - 1) c <= c + 1;
                else begin
                    c <= 0;
                    if (r < TALL - 1) r <= r + 1;
                    else begin
                        r <= 0;
                        sum <= 0;
                        accumulator <= tap + bias[channel];
                        scale_multiplier <= multiplier[SCALES == 1 ? 0 : channel];
                        scale_shift <= shift[SCALES == 1 ? 0 : channel];
                        lane <= channel == FAULTY;
                        valid <= 1'b1;
                        if (channel < OUT_CHANNELS - 1) channel <= channel + 1;
                        else begin
                            channel <= 0;
                            if (column < OUT_WIDTH - 1) column <= column + 1;
                            else begin
                                column <= 0;
                                if (row < OUT_HEIGHT - 1) row <= row + 1;
                                else done <= 1'b1;
                            end
                        end
                    end
                end
            end
        end
    end
endmodule
