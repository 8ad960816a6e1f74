package bff

import (
	"context"
	"unicode/utf8"

	"github.com/gotd/td/tg"
	"github.com/gotd/td/tgerr"
)

const (
	maxChunk   = 1 << 20 // bytes in one answer to upload.getFile
	maxCaption = 1024    // characters
)

func (s *Server) registerFiles() {
	s.methods.OnUploadSaveFilePart(s.saveFilePart)
	s.methods.OnUploadSaveBigFilePart(s.saveBigFilePart)
	s.methods.OnUploadGetFile(s.getFile)
	s.methods.OnMessagesUploadMedia(s.uploadMedia)
	s.methods.OnMessagesSendMedia(s.sendMedia)
}

func (s *Server) saveFilePart(ctx context.Context, r *tg.UploadSaveFilePartRequest) (bool, error) {
	me, err := s.self(ctx)
	if err != nil {
		return false, err
	}
	err = s.files.save(me.id, r.FileID, r.FilePart, r.Bytes)
	return err == nil, err
}

func (s *Server) saveBigFilePart(ctx context.Context, r *tg.UploadSaveBigFilePartRequest) (bool, error) {
	me, err := s.self(ctx)
	if err != nil {
		return false, err
	}
	err = s.files.save(me.id, r.FileID, r.FilePart, r.Bytes)
	return err == nil, err
}

func (s *Server) getFile(ctx context.Context, r *tg.UploadGetFileRequest) (tg.UploadFileClass, error) {
	if _, err := s.self(ctx); err != nil {
		return nil, err
	}
	at, ok := r.Location.(*tg.InputDocumentFileLocation)
	switch {
	case !ok || at.ThumbSize != "":
		return nil, tgerr.New(400, "LOCATION_INVALID")
	case r.Offset < 0:
		return nil, tgerr.New(400, "OFFSET_INVALID")
	case r.Limit <= 0 || r.Limit > maxChunk:
		return nil, tgerr.New(400, "LIMIT_INVALID")
	}
	d := s.files.find(at.ID, at.AccessHash)
	if d == nil {
		return nil, tgerr.New(400, "FILE_ID_INVALID")
	}
	return &tg.UploadFile{Type: &tg.StorageFileUnknown{}, Mtime: d.date, Bytes: s.files.read(d, r.Offset, r.Limit)}, nil
}

func (s *Server) uploadMedia(ctx context.Context, r *tg.MessagesUploadMediaRequest) (tg.MessageMediaClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	d, err := s.inputMedia(me, r.Media)
	if err != nil {
		return nil, err
	}
	return d.media(), nil
}

func (s *Server) sendMedia(ctx context.Context, r *tg.MessagesSendMediaRequest) (tg.UpdatesClass, error) {
	me, err := s.self(ctx)
	if err != nil {
		return nil, err
	}
	peer := s.inputPeer(me, r.Peer)
	switch {
	case peer == nil:
		return nil, tgerr.New(400, "PEER_ID_INVALID")
	case utf8.RuneCountInString(r.Message) > maxCaption:
		return nil, tgerr.New(400, "MEDIA_CAPTION_TOO_LONG")
	case s.store.used(me, r.RandomID): // before its upload is asked for, which is gone
		return nil, errDuplicate
	}
	d, err := s.inputMedia(me, r.Media)
	if err != nil {
		return nil, err
	}
	return s.send(ctx, me, peer, message{text: r.Message, doc: d}, r.RandomID)
}

// inputMedia is the document that a client means: one it has uploaded, or one
// that was sent before.
func (s *Server) inputMedia(me *account, in tg.InputMediaClass) (*document, error) {
	switch in := in.(type) {
	case *tg.InputMediaUploadedDocument:
		return s.files.finish(me.id, in, s.cfg.DC)
	case *tg.InputMediaDocument:
		if id, ok := in.ID.(*tg.InputDocument); ok {
			if d := s.files.find(id.ID, id.AccessHash); d != nil {
				return d, nil
			}
		}
	}
	return nil, tgerr.New(400, "MEDIA_INVALID")
}
