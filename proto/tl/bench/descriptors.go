package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/wrapperspb" // the wrappers' descriptors

	"github.com/tgsession/tgsession/proto/tl/tlset"
)

// descriptors turns the messages of a table set into a protobuf file: what protoc would make of the release's .proto files,
// less comments and services.
func descriptors(set *tlset.Set) (protoreflect.FileDescriptor, error) {
	const pkg = "mtproto"
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String("schema.proto"), Package: proto.String(pkg), Syntax: proto.String("proto3"),
		Dependency: []string{"google/protobuf/wrappers.proto"},
		EnumType: []*descriptorpb.EnumDescriptorProto{{Name: proto.String("TLConstructor"), Value: []*descriptorpb.EnumValueDescriptorProto{
			{Name: proto.String("CRC32_UNKNOWN"), Number: proto.Int32(0)},
		}}},
	}
	types := map[string]descriptorpb.FieldDescriptorProto_Type{
		"int32": descriptorpb.FieldDescriptorProto_TYPE_INT32, "int64": descriptorpb.FieldDescriptorProto_TYPE_INT64,
		"double": descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, "string": descriptorpb.FieldDescriptorProto_TYPE_STRING,
		"bytes": descriptorpb.FieldDescriptorProto_TYPE_BYTES, "bool": descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	}
	wrappers := map[string]string{"int32": "Int32Value", "int64": "Int64Value", "double": "DoubleValue", "string": "StringValue"}
	for i := range set.Messages {
		m := &set.Messages[i]
		out := &descriptorpb.DescriptorProto{Name: proto.String(m.Name)}
		for _, f := range m.AllFields() {
			fd := &descriptorpb.FieldDescriptorProto{
				Name: proto.String(f.Name), Number: proto.Int32(int32(f.Number)),
				Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			}
			if f.Repeated {
				fd.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
			}
			class, name, _ := strings.Cut(f.Kind, ".")
			switch class {
			case "msg":
				fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String("."+pkg+"."+name)
			case "wrap":
				fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(), proto.String(".google.protobuf."+wrappers[name])
			case "enum":
				fd.Type, fd.TypeName = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum(), proto.String("."+pkg+"."+name)
			default:
				t, ok := types[class]
				if !ok {
					return nil, fmt.Errorf("field %s.%s has an unknown kind %s", m.Name, f.Name, f.Kind)
				}
				fd.Type = t.Enum()
			}
			out.Field = append(out.Field, fd)
		}
		file.MessageType = append(file.MessageType, out)
	}
	return protodesc.NewFile(file, protoregistry.GlobalFiles)
}
