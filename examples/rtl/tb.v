// Reads golden vectors with $readmemh and compares conv.v with them.
//
//   vvp SIM +constants=DIR +cases=FILE [+dump=DIR]
//
// FILE lists one case a line: its folder, and its folder below DIR of +dump.
// Prints "MISMATCH n ..." for the first output that differs, counted from 1 over
// all cases, and "CHECKED n, m wrong" at the end. Without +dump it stops at the
// first mismatch.
`timescale 1ns / 1ps
module tb;
    parameter HEIGHT = 1, WIDTH = 1, CHANNELS = 1;
    parameter OUT_HEIGHT = 1, OUT_WIDTH = 1, OUT_CHANNELS = 1;
    parameter TALL = 1, WIDE = 1, STRIDE_H = 1, STRIDE_W = 1;
    parameter PAD_TOP = 0, PAD_LEFT = 0, DEPTHWISE = 0, SCALES = 1, BUG = 0;
    parameter SUM_BITS = 32, RESCALED_BITS = 32;
    localparam COUNT = OUT_HEIGHT * OUT_WIDTH * OUT_CHANNELS;

    reg clk = 0, reset = 1;
    reg signed [31:0] zero_in [0:0], zero_out [0:0], low [0:0], high [0:0];
    wire valid, done;
    wire signed [31:0] accumulator;
    wire signed [7:0] out;

    conv #(
        .HEIGHT(HEIGHT), .WIDTH(WIDTH), .CHANNELS(CHANNELS), .OUT_HEIGHT(OUT_HEIGHT),
        .OUT_WIDTH(OUT_WIDTH), .OUT_CHANNELS(OUT_CHANNELS), .TALL(TALL), .WIDE(WIDE),
        .STRIDE_H(STRIDE_H), .STRIDE_W(STRIDE_W), .PAD_TOP(PAD_TOP), .PAD_LEFT(PAD_LEFT),
        .DEPTHWISE(DEPTHWISE), .SCALES(SCALES), .BUG(BUG),
        .SUM_BITS(SUM_BITS), .RESCALED_BITS(RESCALED_BITS)
    ) dut (
        .clk(clk), .reset(reset), .input_zero_point(zero_in[0]),
        .output_zero_point(zero_out[0]), .low(low[0]), .high(high[0]), .valid(valid),
        .accumulator(accumulator), .out(out), .done(done)
    );

    always #5 clk = ~clk;

    reg signed [31:0] expected_sum [0:COUNT - 1], sums [0:COUNT - 1];
    reg signed [7:0] expected [0:COUNT - 1], outs [0:COUNT - 1];
    reg [8 * 512 - 1:0] constants, list, folder, name, dump, path;
    integer file, found, at, checked = 0, wrong = 0, dumping;

    initial begin
        found = $value$plusargs("constants=%s", constants);
        found = $value$plusargs("cases=%s", list);
        dumping = $value$plusargs("dump=%s", dump);
        $readmemh({constants, "/weights.hex"}, dut.weights);
        $readmemh({constants, "/bias.hex"}, dut.bias);
        $readmemh({constants, "/multiplier.hex"}, dut.multiplier);
        $readmemh({constants, "/shift.hex"}, dut.shift);
        $readmemh({constants, "/input_zero_point.hex"}, zero_in);
        $readmemh({constants, "/output_zero_point.hex"}, zero_out);
        $readmemh({constants, "/activation_min.hex"}, low);
        $readmemh({constants, "/activation_max.hex"}, high);
        file = $fopen(list, "r");
        while ($fscanf(file, "%s %s", folder, name) == 2) begin
            $readmemh({folder, "/input.hex"}, dut.x);
            $readmemh({folder, "/accumulator.hex"}, expected_sum);
            $readmemh({folder, "/output.hex"}, expected);
            reset = 1;
            @(negedge clk) reset = 0;
            at = 0;
            while (at < COUNT) begin
                @(negedge clk);
                if (valid) begin
                    checked = checked + 1;
                    sums[at] = accumulator;
                    outs[at] = out;
                    if (out !== expected[at] || accumulator !== expected_sum[at]) begin
                        wrong = wrong + 1;
                        if (wrong == 1)
                            $display("MISMATCH %0d %0s output %0d is %0d, not %0d (accumulator %0d, not %0d)",
                                checked, name, at, out, expected[at], accumulator, expected_sum[at]);
                        if (!dumping) at = COUNT;
                    end
                    at = at + 1;
                end
            end
            if (dumping) begin
                $sformat(path, "%0s/%0s/accumulator.hex", dump, name);
                $writememh(path, sums);
                $sformat(path, "%0s/%0s/output.hex", dump, name);
                $writememh(path, outs);
            end else if (wrong) begin
                $display("CHECKED %0d, %0d wrong", checked, wrong);
                $finish;
            end
        end
        if (!wrong || dumping) $display("CHECKED %0d, %0d wrong", checked, wrong);
        $finish;
    end
endmodule
