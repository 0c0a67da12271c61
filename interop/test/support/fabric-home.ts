/** Folder of a Fabric release, with `bin/` and `config/`; undefined when there is none. */
export const fabricHome = process.env.FABRIC_HOME

if (fabricHome === undefined) {
  console.log("skipped: set FABRIC_HOME to a folder with Fabric's bin/ and config/ to test with it")
}
