import { create, createFileRegistry } from '@bufbuild/protobuf'
import type { DescMessage, MessageInitShape } from '@bufbuild/protobuf'
import {
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  FieldOptions_JSType as JSType,
  FileDescriptorProtoSchema,
  file_google_protobuf_wrappers,
} from '@bufbuild/protobuf/wkt'
import type { FieldDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'

type Field = MessageInitShape<typeof FieldDescriptorProtoSchema>

const plain = (name: string, number: number, type: Type, rest: Field = {}): Field => ({
  name,
  number,
  type,
  label: Label.OPTIONAL,
  ...rest,
})

/** Its fields have defaults, its enums are closed: `enum Closed { NONE = 0; SOME = 1; }`. */
const old = create(FileDescriptorProtoSchema, {
  name: 'old.proto',
  syntax: 'proto2',
  enumType: [
    {
      name: 'Closed',
      value: [
        { name: 'NONE', number: 0 },
        { name: 'SOME', number: 1 },
      ],
    },
  ],
  messageType: [{ name: 'Old', field: [plain('given', 1, Type.UINT32, { defaultValue: '7' })] }],
})

const registry = createFileRegistry(
  create(FileDescriptorProtoSchema, {
    name: 'unusual.proto',
    syntax: 'proto3',
    dependency: ['google/protobuf/wrappers.proto', old.name],
    messageType: [
      {
        name: 'M',
        oneofDecl: [{ name: '_given' }, { name: '_said' }],
        field: [
          plain('given', 1, Type.UINT32, { proto3Optional: true, oneofIndex: 0 }),
          plain('said', 2, Type.STRING, { proto3Optional: true, oneofIndex: 1 }),
          plain('zigzag', 3, Type.SINT32),
          plain('fixed', 4, Type.FIXED64),
          plain('text', 5, Type.INT64, { options: { jstype: JSType.JS_STRING } }),
          plain('wrapped', 6, Type.MESSAGE, { typeName: '.google.protobuf.StringValue' }),
          plain('closed', 7, Type.ENUM, { typeName: '.Closed' }),
          plain('old', 8, Type.MESSAGE, { typeName: '.Old' }),
          plain('late', 2047, Type.UINT32),
          plain('later', 2048, Type.UINT32),
          plain('last', 536_870_911, Type.UINT32),
        ],
      },
    ],
  }),
  (name) => (name === old.name ? old : file_google_protobuf_wrappers),
)

/**
 * What Fabric's messages do not have: `optional`, other scalar types, 64-bit numbers as text,
 * wrappers, closed enums, messages of proto2, large field numbers.
 */
export const unusualMessage: DescMessage = registry.getMessage('M')!

/** A message of proto2. */
export const oldMessage: DescMessage = registry.getMessage('Old')!
