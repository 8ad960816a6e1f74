package bff

import (
	"bytes"
	"container/list"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"sync"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

const (
	maxPart     = 512 << 10 // bytes
	maxParts    = 8000      // of a file
	maxFile     = 64 << 20  // bytes
	maxAllFiles = 512 << 20 // bytes of all files together; beyond it the oldest goes
)

// files are what was uploaded: parts that no message has yet, and documents.
type files struct {
	maxFile, maxAll int64

	mu      sync.Mutex
	used    int64
	age     *list.List // of *content, oldest first
	uploads map[uploadKey]*content
	docs    map[int64]*document // those whose content is still there
}

// uploadKey names an upload: the id is its user's to choose.
type uploadKey struct{ user, id int64 }

// content is the bytes of a file by part, all parts but the last of one length.
type content struct {
	parts map[int][]byte
	size  int64
	age   *list.Element
	drop  func() // takes it out of the map it is in; files.mu is held
}

// document is a file that was sent. It is immutable but for content.
type document struct {
	id, accessHash int64
	date           int
	object         []byte // a tg.Document, encoded
	content        *content
}

func newFiles() *files {
	return &files{
		maxFile: maxFile, maxAll: maxAllFiles,
		age: list.New(), uploads: map[uploadKey]*content{}, docs: map[int64]*document{},
	}
}

// save keeps a part of an upload; a part that comes again replaces the former.
func (f *files) save(user, id int64, number int, part []byte) error {
	switch {
	case number < 0 || number >= maxParts:
		return tgerr.New(400, "FILE_PART_INVALID")
	case len(part) == 0:
		return tgerr.New(400, "FILE_PART_EMPTY")
	case len(part) > maxPart:
		return tgerr.New(400, "FILE_PART_TOO_BIG")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := uploadKey{user, id}
	c := f.uploads[key]
	if c == nil {
		c = &content{parts: map[int][]byte{}}
		c.drop = func() { delete(f.uploads, key) }
		c.age = f.age.PushBack(c)
		f.uploads[key] = c
	}
	more := int64(len(part) - len(c.parts[number]))
	if c.size+more > f.maxFile {
		return tgerr.New(400, "FILE_PARTS_INVALID")
	}
	c.parts[number] = part
	c.size += more
	f.used += more
	for f.used > f.maxAll {
		oldest := f.age.Front()
		if oldest == c.age {
			oldest = oldest.Next()
		}
		f.remove(oldest.Value.(*content)) // the list holds nothing else
	}
	return nil
}

// remove forgets a content. Lock held.
func (f *files) remove(c *content) {
	c.drop()
	f.age.Remove(c.age)
	f.used -= c.size
}

// finish makes a document of an upload that is complete; r says what it is.
func (f *files) finish(user int64, r *tg.InputMediaUploadedDocument, dc int) (*document, error) {
	var id int64
	var parts int
	var name, sum string
	switch in := r.File.(type) {
	case *tg.InputFile:
		id, parts, name, sum = in.ID, in.Parts, in.Name, in.MD5Checksum
	case *tg.InputFileBig:
		id, parts, name = in.ID, in.Parts, in.Name
	default:
		return nil, tgerr.New(400, "MEDIA_INVALID")
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	key := uploadKey{user, id}
	c := f.uploads[key]
	if c == nil {
		return nil, tgerr.New(400, "FILE_PART_0_MISSING")
	}
	if err := c.complete(parts, sum); err != nil {
		return nil, err
	}
	d := &document{id: randomInt64(), accessHash: randomInt64(), date: now(), content: c}
	attributes := r.Attributes
	if !named(attributes) && name != "" {
		attributes = append(attributes, &tg.DocumentAttributeFilename{FileName: name})
	}
	object := tg.Document{
		ID: d.id, AccessHash: d.accessHash, FileReference: binary.BigEndian.AppendUint64(nil, uint64(d.id)),
		Date: d.date, MimeType: r.MimeType, Size: c.size, DCID: dc, Attributes: attributes,
	}
	var b bin.Buffer
	if err := object.Encode(&b); err != nil {
		return nil, tgerr.New(400, "MEDIA_INVALID")
	}
	d.object = b.Buf
	delete(f.uploads, key)
	c.drop = func() { delete(f.docs, d.id) }
	f.docs[d.id] = d
	return d, nil
}

func named(attributes []tg.DocumentAttributeClass) bool {
	for _, a := range attributes {
		if _, ok := a.(*tg.DocumentAttributeFilename); ok {
			return true
		}
	}
	return false
}

// complete checks that there are n parts, all but the last of one length, and
// what they hash to where the client says so.
func (c *content) complete(n int, sum string) error {
	if n != len(c.parts) {
		return tgerr.New(400, "FILE_PARTS_INVALID")
	}
	hash := md5.New()
	for i := range n {
		part, ok := c.parts[i]
		switch {
		case !ok:
			return tgerr.New(400, "FILE_PART_"+strconv.Itoa(i)+"_MISSING")
		case i < n-1 && len(part) != len(c.parts[0]), i == n-1 && len(part) > len(c.parts[0]):
			return tgerr.New(400, "FILE_PART_SIZE_INVALID")
		}
		if sum != "" {
			_, _ = hash.Write(part) // never fails
		}
	}
	if sum != "" {
		if want, err := hex.DecodeString(sum); err != nil || !bytes.Equal(want, hash.Sum(nil)) {
			return tgerr.New(400, "MD5_CHECKSUM_INVALID")
		}
	}
	return nil
}

// find returns a document whose content is still there; nil when there is none.
func (f *files) find(id, accessHash int64) *document {
	f.mu.Lock()
	defer f.mu.Unlock()
	if d := f.docs[id]; d != nil && d.accessHash == accessHash {
		return d
	}
	return nil
}

// read returns a copy of up to limit bytes of the document from offset on; none
// behind its end.
func (f *files) read(d *document, offset int64, limit int) []byte {
	f.mu.Lock()
	parts := d.content.parts // parts of a document never change
	f.mu.Unlock()
	length := int64(len(parts[0]))
	out := make([]byte, 0, min(int64(limit), max(d.content.size-offset, 0)))
	for len(out) < cap(out) {
		part := parts[int(offset/length)][offset%length:]
		n := min(len(part), cap(out)-len(out))
		out = append(out, part[:n]...)
		offset += int64(n)
	}
	return out
}

// media is the document in a message: an object of the caller's own.
func (d *document) media() *tg.MessageMediaDocument {
	object := new(tg.Document)
	if err := object.Decode(&bin.Buffer{Buf: d.object}); err != nil {
		return nil // it was encoded by the same code
	}
	m := new(tg.MessageMediaDocument)
	m.SetDocument(object)
	return m
}
