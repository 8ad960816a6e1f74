package bff

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/gotd/td/tg"
	"github.com/stretchr/testify/require"
)

// pattern is n bytes that differ from place to place.
func pattern(n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(i * 7 >> (i % 3))
	}
	return out
}

// upload sends n bytes in parts and returns what names them.
func (d *client) upload(t *testing.T, id int64, n, part int) *tg.InputFile {
	t.Helper()
	data := pattern(n)
	parts := 0
	for ; parts*part < n; parts++ {
		ok, err := d.UploadSaveFilePart(t.Context(), &tg.UploadSaveFilePartRequest{
			FileID: id, FilePart: parts, Bytes: data[parts*part : min((parts+1)*part, n)],
		})
		require.NoError(t, err)
		require.True(t, ok)
	}
	sum := md5.Sum(data)
	return &tg.InputFile{ID: id, Parts: parts, Name: "a.bin", MD5Checksum: hex.EncodeToString(sum[:])}
}

func (d *client) sendDocument(t *testing.T, to tg.InputPeerClass, media tg.InputMediaClass, randomID int64) (*tg.Document, error) {
	t.Helper()
	u, err := d.MessagesSendMedia(t.Context(), &tg.MessagesSendMediaRequest{Peer: to, Media: media, Message: "look", RandomID: randomID})
	if err != nil {
		return nil, err
	}
	m, _ := newMessageIn(t, u.(*tg.Updates).Updates[1])
	require.Equal(t, "look", m.Message)
	return documentIn(t, m), nil
}

func documentIn(t *testing.T, m *tg.Message) *tg.Document {
	t.Helper()
	require.IsType(t, (*tg.MessageMediaDocument)(nil), m.Media)
	doc, ok := m.Media.(*tg.MessageMediaDocument).Document.AsNotEmpty()
	require.True(t, ok)
	return doc
}

// sendFile uploads n bytes and sends them to oneself.
func (d *client) sendFile(t *testing.T, n, part int) *tg.Document {
	t.Helper()
	file := d.upload(t, int64(n), n, part)
	doc, err := d.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaUploadedDocument{File: file, MimeType: "text/plain"}, randomInt64())
	require.NoError(t, err)
	return doc
}

func TestUploadSendDownload(t *testing.T) {
	node := newFakeSession(t)
	w := newWorld(t, Config{DC: 4}, node)
	ada, bob := w.client(100), w.client(200)
	ada.logIn(t, "15550001", "Ada")
	bobUser := bob.logIn(t, "15550002", "Bob")
	w.online.set(bob.user, bob.key, node.addr)

	const size, part = 300_000, 128 << 10
	file := ada.upload(t, 5, size, part)
	doc, err := ada.sendDocument(t, inputPeer(bobUser), &tg.InputMediaUploadedDocument{File: file, MimeType: "text/plain"}, 1)
	require.NoError(t, err)
	require.EqualValues(t, size, doc.Size)
	require.Equal(t, 4, doc.DCID)
	require.Equal(t, "text/plain", doc.MimeType)
	require.Equal(t, []tg.DocumentAttributeClass{&tg.DocumentAttributeFilename{FileName: "a.bin"}}, doc.Attributes)

	m, _ := newMessageIn(t, w.updates(t, node.next(t)).Updates[0])
	got := documentIn(t, m)
	require.Equal(t, doc, got)
	var back []byte
	for offset := int64(0); ; offset += 100_000 { // beside the bounds of parts
		f, err := bob.UploadGetFile(t.Context(), &tg.UploadGetFileRequest{Location: got.AsInputDocumentFileLocation(), Offset: offset, Limit: 100_000})
		require.NoError(t, err)
		chunk := f.(*tg.UploadFile).Bytes
		if len(chunk) == 0 {
			break
		}
		back = append(back, chunk...)
	}
	require.Equal(t, pattern(size), back)

	t.Run("sent on", func(t *testing.T) {
		again, err := bob.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaDocument{ID: got.AsInput()}, 1)
		require.NoError(t, err)
		require.Equal(t, doc.ID, again.ID)
	})
	t.Run("twice by one random id", func(t *testing.T) {
		_, err := ada.sendDocument(t, inputPeer(bobUser), &tg.InputMediaUploadedDocument{File: file}, 1)
		requireRPCError(t, err, 400, "RANDOM_ID_DUPLICATE")
	})
	t.Run("big, by uploadMedia", func(t *testing.T) {
		for i := range 2 {
			_, err := ada.UploadSaveBigFilePart(t.Context(), &tg.UploadSaveBigFilePartRequest{FileID: 6, FilePart: 1 - i, FileTotalParts: 2, Bytes: pattern(1024)})
			require.NoError(t, err)
		}
		media, err := ada.MessagesUploadMedia(t.Context(), &tg.MessagesUploadMediaRequest{Peer: &tg.InputPeerSelf{}, Media: &tg.InputMediaUploadedDocument{
			File: &tg.InputFileBig{ID: 6, Parts: 2, Name: "b.bin"}, Attributes: []tg.DocumentAttributeClass{&tg.DocumentAttributeFilename{FileName: "c.bin"}},
		}})
		require.NoError(t, err)
		doc, _ := media.(*tg.MessageMediaDocument).Document.AsNotEmpty()
		require.EqualValues(t, 2048, doc.Size)
		require.Equal(t, []tg.DocumentAttributeClass{&tg.DocumentAttributeFilename{FileName: "c.bin"}}, doc.Attributes)
	})
	t.Run("found by search", func(t *testing.T) {
		found, err := ada.MessagesSearch(t.Context(), &tg.MessagesSearchRequest{Peer: inputPeer(bobUser), Filter: &tg.InputMessagesFilterDocument{}})
		require.NoError(t, err)
		require.Len(t, found.(*tg.MessagesMessages).Messages, 1)
	})
}

func TestFileRefusals(t *testing.T) {
	w := newWorld(t, Config{})
	d := w.client(100)
	save := func(id int64, part int, data []byte) error {
		_, err := d.UploadSaveFilePart(t.Context(), &tg.UploadSaveFilePartRequest{FileID: id, FilePart: part, Bytes: data})
		return err
	}
	requireRPCError(t, save(1, 0, []byte("x")), 401, "AUTH_KEY_UNREGISTERED")
	d.logIn(t, "15550001", "Ada")
	requireRPCError(t, save(1, -1, []byte("x")), 400, "FILE_PART_INVALID")
	requireRPCError(t, save(1, maxParts, []byte("x")), 400, "FILE_PART_INVALID")
	requireRPCError(t, save(1, 0, nil), 400, "FILE_PART_EMPTY")
	requireRPCError(t, save(1, 0, make([]byte, maxPart+1)), 400, "FILE_PART_TOO_BIG")

	require.NoError(t, save(2, 0, pattern(1024)))
	require.NoError(t, save(2, 2, pattern(1024)))
	require.NoError(t, save(3, 0, pattern(1024)))
	require.NoError(t, save(3, 1, pattern(2048)))
	for _, tc := range []struct {
		name string
		file tg.InputFileClass
		want string
	}{
		{"never uploaded", &tg.InputFile{ID: 9, Parts: 1}, "FILE_PART_0_MISSING"},
		{"fewer parts than said", &tg.InputFile{ID: 2, Parts: 3}, "FILE_PARTS_INVALID"},
		{"a hole", &tg.InputFile{ID: 2, Parts: 2}, "FILE_PART_1_MISSING"},
		{"parts of two lengths", &tg.InputFile{ID: 3, Parts: 2}, "FILE_PART_SIZE_INVALID"},
		{"none", &tg.InputFileStoryDocument{ID: &tg.InputDocumentEmpty{}}, "MEDIA_INVALID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := d.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaUploadedDocument{File: tc.file}, randomInt64())
			requireRPCError(t, err, 400, tc.want)
		})
	}
	t.Run("another checksum", func(t *testing.T) {
		file := d.upload(t, 4, 10, 1024)
		file.MD5Checksum = "00"
		_, err := d.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaUploadedDocument{File: file}, randomInt64())
		requireRPCError(t, err, 400, "MD5_CHECKSUM_INVALID")
	})
	t.Run("no document", func(t *testing.T) {
		_, err := d.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaDocument{ID: &tg.InputDocument{ID: 1}}, randomInt64())
		requireRPCError(t, err, 400, "MEDIA_INVALID")
		_, err = d.sendDocument(t, &tg.InputPeerSelf{}, &tg.InputMediaEmpty{}, randomInt64())
		requireRPCError(t, err, 400, "MEDIA_INVALID")
	})
	doc := d.sendFile(t, 5000, 1024)
	at := doc.AsInputDocumentFileLocation()
	foreign := *at
	foreign.AccessHash++
	thumb := *at
	thumb.ThumbSize = "m"
	for _, tc := range []struct {
		name   string
		at     tg.InputFileLocationClass
		offset int64
		limit  int
		want   string
	}{
		{"wrong access hash", &foreign, 0, 1024, "FILE_ID_INVALID"},
		{"thumbnail", &thumb, 0, 1024, "LOCATION_INVALID"},
		{"no document", &tg.InputTakeoutFileLocation{}, 0, 1024, "LOCATION_INVALID"},
		{"negative offset", at, -1, 1024, "OFFSET_INVALID"},
		{"no limit", at, 0, 0, "LIMIT_INVALID"},
		{"too much", at, 0, maxChunk + 1, "LIMIT_INVALID"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := d.UploadGetFile(t.Context(), &tg.UploadGetFileRequest{Location: tc.at, Offset: tc.offset, Limit: tc.limit})
			requireRPCError(t, err, 400, tc.want)
		})
	}
}

// What is kept stays within its bounds: a file that would pass its own is
// refused, and the oldest goes for a new one.
func TestFilesAreBounded(t *testing.T) {
	f := newFiles()
	f.maxFile, f.maxAll = 3000, 5000
	require.NoError(t, f.save(1, 1, 0, pattern(2000)))
	require.ErrorContains(t, f.save(1, 1, 1, pattern(2000)), "FILE_PARTS_INVALID")
	require.NoError(t, f.save(1, 1, 0, pattern(3000)), "in place of the former")
	sent, err := f.finish(1, &tg.InputMediaUploadedDocument{File: &tg.InputFile{ID: 1, Parts: 1}}, 2)
	require.NoError(t, err)
	require.NoError(t, f.save(1, 2, 0, pattern(2000)))
	require.EqualValues(t, 5000, f.used)
	require.NotNil(t, f.find(sent.id, sent.accessHash))
	require.NoError(t, f.save(2, 2, 0, pattern(1000)), "of another user")
	require.Nil(t, f.find(sent.id, sent.accessHash), "the oldest has gone")
	require.NotNil(t, sent.media(), "the messages that hold it have not")
	require.Equal(t, pattern(3000)[2990:], f.read(sent, 2990, 100), "nor a reader that found it before")
	require.EqualValues(t, 3000, f.used)
	require.Len(t, f.uploads, 2)
	require.NoError(t, f.save(1, 3, 0, pattern(3000)))
	require.Len(t, f.uploads, 2)
	require.EqualValues(t, 4000, f.used)
}

func TestFilesAtOnce(t *testing.T) {
	f := newFiles()
	f.maxAll = 50_000
	var wg sync.WaitGroup
	for user := range int64(8) {
		wg.Go(func() {
			for id := range int64(50) {
				for part := range 4 {
					if err := f.save(user, id, part, pattern(1000)); err != nil {
						t.Error(err)
					}
				}
				d, err := f.finish(user, &tg.InputMediaUploadedDocument{File: &tg.InputFile{ID: id, Parts: 4}}, 2)
				if err != nil {
					continue // others have pushed it out
				}
				if got := fmt.Sprintf("%x", f.read(d, 500, 1000)); got != fmt.Sprintf("%x", append(pattern(1000)[500:], pattern(500)...)) {
					t.Errorf("read %s", got)
				}
				_ = d.media()
			}
		})
	}
	wg.Wait()
	require.LessOrEqual(t, f.used, f.maxAll)
}
