// Package protofile reads the part of the protocol buffer language that tells what is on the wire: packages, messages
// with their fields, enums, services with their rpcs. It is what a tool needs to learn the numbers of another project's
// messages without protoc. Options, reserved ranges and comments are passed over; what changes the meaning of a field in
// a way that File cannot say (oneof, map, proto2 groups, extensions) is noted in Message.Beyond. Imports are not followed
// and names not resolved: a reader of all files of a package has all names.
package protofile
