import { expect } from 'chai'
import { MspError } from '../../src/index.ts'
import type { MspErrorCode } from '../../src/index.ts'

/** Expects `run` to throw an MspError with that code. */
export function expectCode(code: MspErrorCode, run: () => unknown, message = ''): void {
  let thrown: unknown
  try {
    run()
  } catch (error) {
    thrown = error
  }
  expect(thrown, `${message} throws`).to.be.instanceOf(MspError)
  expect((thrown as MspError).code, message).to.equal(code)
}

/** Expects `promise` to reject with an MspError with that code; gives the error. */
export async function expectRejection(
  code: MspErrorCode,
  promise: Promise<unknown>,
  message = '',
): Promise<MspError> {
  const error: unknown = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error, `${message} rejects`).to.be.instanceOf(MspError)
  expect((error as MspError).code, message).to.equal(code)
  return error as MspError
}
