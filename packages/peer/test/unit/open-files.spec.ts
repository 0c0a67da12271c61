import { expect } from 'chai'
import { filesNeeded, filesToLoad, openFilesLimit, requireOpenFiles } from '../../src/open-files.ts'

describe('open files', () => {
  it('are refused when one is missing, naming how many are needed and how to get them', () => {
    const needed = filesNeeded(4)
    expect(() => requireOpenFiles(needed, 'a network', needed)).not.to.throw()
    expect(() => requireOpenFiles(needed, 'a network', needed - 1))
      .to.throw(`a network needs ${needed} open files, and this process may have ${needed - 1}`)
      .with.property('cure')
      .that.matches(/ulimit -n/)
  })

  it('grow with the network, up to the largest within what systems allow by default', () => {
    expect(filesNeeded(4)).to.be.greaterThan(filesToLoad)
    expect(filesNeeded(7)).to.be.greaterThan(filesNeeded(4))
    expect(filesNeeded(31)).to.be.lessThan(1024)
  })

  it('are counted by the operating system', () => {
    expect(openFilesLimit()).to.be.at.least(filesToLoad)
  })
})
