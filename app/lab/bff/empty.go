package bff

import (
	"context"
	"fmt"
	"strings"

	"github.com/gotd/td/bin"
	"github.com/gotd/td/tg"

	"github.com/tgsession/tgsession/proto/tl"
)

// emptyMethods are what clients call when they start or stand idle, about
// things that the demo does not have: stickers, folders, stories, settings.
// Each is answered by the empty value of its result (emptyResults), whatever
// its arguments: some clients call again and again what they are refused.
const emptyMethods = `
account.getAccountTTL account.getAllSecureValues account.getAutoDownloadSettings account.getAutoSaveSettings
account.getBusinessChatLinks account.getChannelDefaultEmojiStatuses account.getChannelRestrictedStatusEmojis
account.getChatThemes account.getCollectibleEmojiStatuses account.getConnectedBots
account.getContactSignUpNotification account.getContentSettings account.getDefaultBackgroundEmojis
account.getDefaultEmojiStatuses account.getDefaultGroupPhotoEmojis account.getDefaultProfilePhotoEmojis
account.getGlobalPrivacySettings account.getMultiWallPapers account.getNotifyExceptions account.getNotifySettings
account.getPasskeys account.getPrivacy account.getReactionsNotifySettings account.getRecentEmojiStatuses
account.getSavedMusicIds account.getSavedRingtones account.getThemes account.getUniqueGiftChatThemes
account.getWallPapers account.getWebAuthorizations account.registerDevice account.resetNotifySettings
account.setAccountTTL account.setContactSignUpNotification account.setGlobalPrivacySettings
account.unregisterDevice account.updateDeviceLocked account.updateNotifySettings
channels.getAdminedPublicChannels channels.getChannelRecommendations channels.getChannels
channels.getLeftChannels channels.getSendAs chatlists.getChatlistUpdates
contacts.getBirthdays contacts.getBlocked contacts.getContactIDs contacts.getLocated contacts.getSaved
contacts.getSponsoredPeers contacts.getStatuses contacts.getTopPeers contacts.resetSaved
contacts.resetTopPeerRating contacts.search contacts.toggleTopPeers folders.editPeerFolders
help.acceptTermsOfService help.dismissSuggestion help.getAppChangelog help.getAppConfig help.getAppUpdate
help.getCountriesList help.getDeepLinkInfo help.getInviteText help.getPassportConfig help.getPeerColors
help.getPeerProfileColors help.getRecentMeUrls help.getTimezonesList help.getUserInfo
help.hidePromoData help.saveAppLog help.setBotUpdatesStatus langpack.getLanguages langpack.getStrings
messages.clearRecentReactions messages.clearRecentStickers messages.getAdminsWithInvites messages.getAllChats
messages.getAllDrafts messages.getAllStickers messages.getArchivedStickers messages.getAttachMenuBots
messages.getAttachedStickers messages.getAvailableEffects messages.getAvailableReactions messages.getChats
messages.getCommonChats messages.getCustomEmojiDocuments messages.getDefaultHistoryTTL
messages.getDefaultTagReactions messages.getDialogFilters messages.getDialogUnreadMarks
messages.getDocumentByHash messages.getEmojiGroups messages.getEmojiKeywords messages.getEmojiKeywordsDifference
messages.getEmojiKeywordsLanguages messages.getEmojiProfilePhotoGroups messages.getEmojiStatusGroups
messages.getEmojiStickerGroups messages.getEmojiStickers messages.getFavedStickers
messages.getFeaturedEmojiStickers messages.getFeaturedStickers messages.getMaskStickers
messages.getMessagesReactions messages.getMyStickers messages.getOldFeaturedStickers messages.getOnlines
messages.getPaidReactionPrivacy messages.getPeerSettings messages.getPinnedSavedDialogs
messages.getPollResults messages.getQuickReplies messages.getRecentLocations messages.getRecentReactions
messages.getRecentStickers messages.getSavedDialogs messages.getSavedGifs messages.getSavedHistory
messages.getSavedReactionTags messages.getScheduledHistory messages.getSearchResultsPositions
messages.getSponsoredMessages messages.getStickers messages.getSuggestedDialogFilters messages.getTopReactions
messages.getUnreadMentions messages.getUnreadReactions messages.getWebPage messages.getWebPagePreview
messages.hidePeerSettingsBar messages.markDialogUnread messages.readFeaturedStickers messages.receivedMessages
messages.reorderPinnedDialogs messages.saveDraft messages.saveRecentSticker messages.searchCustomEmoji
messages.searchEmojiStickerSets messages.searchGlobal messages.searchStickerSets messages.searchStickers
messages.setDefaultReaction messages.setTyping messages.toggleDialogFilterTags messages.toggleDialogPin
messages.updateDialogFilter messages.updateDialogFiltersOrder payments.getPremiumGiftCodeOptions
payments.getSavedInfo payments.getSavedStarGifts payments.getStarGiftActiveAuctions payments.getStarGifts
payments.getStarsGiftOptions payments.getStarsStatus payments.getStarsTopupOptions phone.getCallConfig
photos.getUserPhotos premium.getMyBoosts stories.getAlbums stories.getAllReadPeerStories stories.getAllStories
stories.getChatsToSend stories.getPeerStories stories.getPinnedStories stories.getStoriesArchive
stories.getStoriesByID stories.readStories stories.togglePeerStoriesHidden upload.getFileHashes users.getSavedMusic
users.getSavedMusicByID`

// emptyResults are the empty values by TL type: one for the result of each
// version of each of emptyMethods, but for vectors, which are all empty alike.
func emptyResults() map[string]bin.Encoder {
	return map[string]bin.Encoder{
		"AccountDaysTTL":                  &tg.AccountDaysTTL{Days: authorizationTTLDays},
		"AttachMenuBots":                  &tg.AttachMenuBots{},
		"Bool":                            &tg.BoolTrue{},
		"ChatOnlines":                     &tg.ChatOnlines{},
		"DataJSON":                        &tg.DataJSON{Data: "{}"},
		"DefaultHistoryTTL":               &tg.DefaultHistoryTTL{},
		"Document":                        &tg.DocumentEmpty{},
		"EmojiKeywordsDifference":         &tg.EmojiKeywordsDifference{LangCode: "en"},
		"EmojiList":                       &tg.EmojiList{},
		"GlobalPrivacySettings":           &tg.GlobalPrivacySettings{},
		"JSONValue":                       &tg.JSONObject{},
		"MessageMedia":                    &tg.MessageMediaEmpty{},
		"PeerNotifySettings":              &tg.PeerNotifySettings{},
		"ReactionsNotifySettings":         &tg.ReactionsNotifySettings{Sound: &tg.NotificationSoundDefault{}},
		"Updates":                         &tg.Updates{Date: now()},
		"WebPage":                         &tg.WebPageEmpty{},
		"account.AutoDownloadSettings":    &tg.AccountAutoDownloadSettings{},
		"account.AutoSaveSettings":        &tg.AccountAutoSaveSettings{},
		"account.BusinessChatLinks":       &tg.AccountBusinessChatLinks{},
		"account.ChatThemes":              &tg.AccountChatThemes{},
		"account.ConnectedBots":           &tg.AccountConnectedBots{},
		"account.ContentSettings":         &tg.AccountContentSettings{},
		"account.EmojiStatuses":           &tg.AccountEmojiStatuses{},
		"account.Passkeys":                &tg.AccountPasskeys{},
		"account.PrivacyRules":            &tg.AccountPrivacyRules{Rules: []tg.PrivacyRuleClass{&tg.PrivacyValueAllowAll{}}},
		"account.SavedMusicIds":           &tg.AccountSavedMusicIDs{},
		"account.SavedRingtones":          &tg.AccountSavedRingtones{},
		"account.Themes":                  &tg.AccountThemes{},
		"account.WallPapers":              &tg.AccountWallPapers{},
		"account.WebAuthorizations":       &tg.AccountWebAuthorizations{},
		"channels.SendAsPeers":            &tg.ChannelsSendAsPeers{},
		"chatlists.ChatlistUpdates":       &tg.ChatlistsChatlistUpdates{},
		"contacts.Blocked":                &tg.ContactsBlocked{},
		"contacts.ContactBirthdays":       &tg.ContactsContactBirthdays{},
		"contacts.Found":                  &tg.ContactsFound{},
		"contacts.SponsoredPeers":         &tg.ContactsSponsoredPeersEmpty{},
		"contacts.TopPeers":               &tg.ContactsTopPeers{},
		"help.AppConfig":                  &tg.HelpAppConfig{Config: &tg.JSONObject{}},
		"help.AppUpdate":                  &tg.HelpNoAppUpdate{},
		"help.CountriesList":              &tg.HelpCountriesList{},
		"help.DeepLinkInfo":               &tg.HelpDeepLinkInfoEmpty{},
		"help.InviteText":                 &tg.HelpInviteText{},
		"help.PassportConfig":             &tg.HelpPassportConfig{CountriesLangs: tg.DataJSON{Data: "{}"}},
		"help.PeerColors":                 &tg.HelpPeerColors{},
		"help.RecentMeUrls":               &tg.HelpRecentMeURLs{},
		"help.TimezonesList":              &tg.HelpTimezonesList{},
		"help.UserInfo":                   &tg.HelpUserInfoEmpty{},
		"messages.AllStickers":            &tg.MessagesAllStickers{},
		"messages.ArchivedStickers":       &tg.MessagesArchivedStickers{},
		"messages.AvailableEffects":       &tg.MessagesAvailableEffects{},
		"messages.AvailableReactions":     &tg.MessagesAvailableReactions{},
		"messages.ChatAdminsWithInvites":  &tg.MessagesChatAdminsWithInvites{},
		"messages.Chats":                  &tg.MessagesChats{},
		"messages.DialogFilters":          &tg.MessagesDialogFilters{},
		"messages.EmojiGroups":            &tg.MessagesEmojiGroups{},
		"messages.FavedStickers":          &tg.MessagesFavedStickers{},
		"messages.FeaturedStickers":       &tg.MessagesFeaturedStickers{},
		"messages.FoundStickerSets":       &tg.MessagesFoundStickerSets{},
		"messages.FoundStickers":          &tg.MessagesFoundStickers{},
		"messages.Messages":               &tg.MessagesMessages{},
		"messages.MyStickers":             &tg.MessagesMyStickers{},
		"messages.PeerSettings":           &tg.MessagesPeerSettings{},
		"messages.QuickReplies":           &tg.MessagesQuickReplies{},
		"messages.Reactions":              &tg.MessagesReactions{},
		"messages.RecentStickers":         &tg.MessagesRecentStickers{},
		"messages.SavedDialogs":           &tg.MessagesSavedDialogs{},
		"messages.SavedGifs":              &tg.MessagesSavedGifs{},
		"messages.SavedReactionTags":      &tg.MessagesSavedReactionTags{},
		"messages.SearchResultsPositions": &tg.MessagesSearchResultsPositions{},
		"messages.SponsoredMessages":      &tg.MessagesSponsoredMessagesEmpty{},
		"messages.Stickers":               &tg.MessagesStickers{},
		"messages.WebPage":                &tg.MessagesWebPage{Webpage: &tg.WebPageEmpty{}},
		"messages.WebPagePreview":         &tg.MessagesWebPagePreview{Media: &tg.MessageMediaEmpty{}},
		"payments.SavedInfo":              &tg.PaymentsSavedInfo{},
		"payments.SavedStarGifts":         &tg.PaymentsSavedStarGifts{},
		"payments.StarGiftActiveAuctions": &tg.PaymentsStarGiftActiveAuctions{},
		"payments.StarGifts":              &tg.PaymentsStarGifts{},
		"payments.StarsStatus":            &tg.PaymentsStarsStatus{Balance: &tg.StarsAmount{}},
		"photos.Photos":                   &tg.PhotosPhotos{},
		"premium.MyBoosts":                &tg.PremiumMyBoosts{},
		"stories.Albums":                  &tg.StoriesAlbums{},
		"stories.AllStories":              &tg.StoriesAllStories{State: "none"},
		"stories.PeerStories":             &tg.StoriesPeerStories{Stories: tg.PeerStories{Peer: &tg.PeerUser{}}},
		"stories.Stories":                 &tg.StoriesStories{},
		"users.SavedMusic":                &tg.UsersSavedMusic{},
	}
}

// empties are the answers to emptyMethods, as TL.
type empties struct {
	methods map[string]struct{}
	results map[string][]byte // by TL type
	vector  []byte
}

func newEmpties() (*empties, error) {
	e := &empties{methods: map[string]struct{}{}, results: map[string][]byte{}}
	for _, name := range strings.Fields(emptyMethods) {
		e.methods[name] = struct{}{}
	}
	for name, value := range emptyResults() {
		var b bin.Buffer
		if err := value.Encode(&b); err != nil {
			return nil, fmt.Errorf("bff: empty %s: %w", name, err)
		}
		e.results[name] = b.Buf
	}
	var b bin.Buffer
	b.PutVectorHeader(0)
	e.vector = b.Buf
	return e, nil
}

// answer returns the empty result of a method, nil when the method is none of
// these.
func (e *empties) answer(m *tl.Method) []byte {
	if _, ok := e.methods[m.Name]; !ok {
		return nil
	}
	if strings.HasPrefix(m.Result, "Vector<") {
		return e.vector
	}
	return e.results[m.Result]
}

// needsLogin tells of one of emptyMethods whether it says 401 to nobody.
func needsLogin(method string) bool {
	return !strings.HasPrefix(method, "help.") && !strings.HasPrefix(method, "langpack.")
}

// registerAlmostEmpty serves what is as good as empty but names the time or what
// was asked for.
func (s *Server) registerAlmostEmpty() {
	s.methods.OnHelpGetTermsOfServiceUpdate(func(context.Context) (tg.HelpTermsOfServiceUpdateClass, error) {
		return &tg.HelpTermsOfServiceUpdateEmpty{Expires: now() + configTTL}, nil
	})
	s.methods.OnHelpGetPromoData(func(context.Context) (tg.HelpPromoDataClass, error) {
		return &tg.HelpPromoDataEmpty{Expires: now() + configTTL}, nil
	})
	s.methods.OnLangpackGetLangPack(func(_ context.Context, r *tg.LangpackGetLangPackRequest) (*tg.LangPackDifference, error) {
		return &tg.LangPackDifference{LangCode: r.LangCode, Version: 1}, nil
	})
	s.methods.OnLangpackGetDifference(func(_ context.Context, r *tg.LangpackGetDifferenceRequest) (*tg.LangPackDifference, error) {
		return &tg.LangPackDifference{LangCode: r.LangCode, FromVersion: r.FromVersion, Version: max(r.FromVersion, 1)}, nil
	})
	s.methods.OnLangpackGetLanguage(func(_ context.Context, r *tg.LangpackGetLanguageRequest) (*tg.LangPackLanguage, error) {
		return &tg.LangPackLanguage{Name: r.LangCode, NativeName: r.LangCode, LangCode: r.LangCode, PluralCode: r.LangCode}, nil
	})
	s.methods.OnMessagesGetStickerSet(func(context.Context, *tg.MessagesGetStickerSetRequest) (tg.MessagesStickerSetClass, error) {
		return nil, errNoStickers
	})
	s.methods.OnStoriesGetPeerMaxIDs(func(_ context.Context, ids []tg.InputPeerClass) ([]tg.RecentStory, error) {
		return make([]tg.RecentStory, len(ids)), nil
	})
	s.methods.OnUsersGetRequirementsToContact(func(_ context.Context, ids []tg.InputUserClass) ([]tg.RequirementToContactClass, error) {
		out := make([]tg.RequirementToContactClass, len(ids))
		for i := range out {
			out[i] = &tg.RequirementToContactEmpty{}
		}
		return out, nil
	})
}
