// From a 32-bit accumulator to an int8 output, as TFLite's reference kernels go:
// left shift, doubling high multiplication (ties up), right shift (ties away
// from zero), zero point, activation bounds. Combinational.
//
// BUG plants one fault, to see whether vectors find it; 0 plants none. Faults of
// rounding are there while `faulty` is set: in one lane of many.
module rescale #(
    parameter BUG = 0,
    parameter BITS = 32               // of the rescaled value, where BUG is 7
) (
    input                faulty,
    input  signed [31:0] accumulator,
    input  signed [31:0] multiplier,  // 2^30 .. 2^31 - 1, or 0
    input  signed [31:0] shift,       // -31 .. 30, positive is to the left
    input  signed [31:0] zero_point,
    input  signed [31:0] low,
    input  signed [31:0] high,
    output signed [7:0]  out
);
    localparam signed [31:0] HALF = 32'sd1 <<< (BITS - 1);
    wire [2:0] bug = faulty || BUG == 7 ? BUG : 0;

    wire [5:0] left  = shift > 0 ? shift[5:0] : 6'd0;
    wire [5:0] right = shift < 0 ? -shift : 6'd0;

    wire signed [31:0] raised  = accumulator <<< left;
    wire signed [63:0] product = raised * $signed({{32{multiplier[31]}}, multiplier});
    wire signed [63:0] nudge   = bug == 4 ? 64'sd0 : 64'sd1 <<< 30;
    wire signed [63:0] doubled = (product + nudge) >>> 31;
    wire signed [31:0] rounded_once = doubled[31:0];

    wire [31:0] mask      = (32'd1 << right) - 32'd1;
    wire [31:0] remainder = rounded_once & mask;
    wire        negative  = bug == 1 ? 1'b0 : rounded_once[31];
    wire [31:0] threshold = (mask >> 1) + {31'd0, negative};
    wire        up        = bug == 2 ? remainder > threshold + 32'd1 - {31'd0, negative}
                                     : remainder > threshold;
    wire signed [31:0] rounded_twice = (rounded_once >>> right) + $signed({31'd0, up});

    wire signed [63:0] half   = 64'sd1 <<< (6'd30 + right);
    wire signed [63:0] single = (product + half) >>> (6'd31 + right);

    wire signed [31:0] rescaled = bug == 3 ? single[31:0]
                                : bug == 7 ? ((rounded_twice + HALF) & (2 * HALF - 1)) - HALF
                                : rounded_twice;
    wire signed [31:0] moved   = rescaled + zero_point;
    wire signed [31:0] clamped = moved > high ? high : moved < low ? low : moved;
    assign out = clamped[7:0];
endmodule
