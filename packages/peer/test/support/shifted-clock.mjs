// For `node --import`: the clock of this process is HEDDLE_TEST_CLOCK_SHIFT_MS ahead of the machine's, as a
// clock that was set wrong is. What is measured, such as time-outs, is not touched, nor is what OpenSSL sees.
const shiftMs = Number(process.env.HEDDLE_TEST_CLOCK_SHIFT_MS ?? 0)
const RealDate = Date

globalThis.Date = class Date extends RealDate {
  constructor(...args) {
    if (args.length === 0) super(RealDate.now() + shiftMs)
    else super(...args)
  }

  static now() {
    return RealDate.now() + shiftMs
  }
}
