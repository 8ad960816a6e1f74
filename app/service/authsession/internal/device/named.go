package device

import (
	"maps"
	"slices"
	"strings"
)

// AppsNamed are the api_ids and the language packs by which App tells apps whose
// name has a part; case does not matter.
func AppsNamed(part string) (ids []int32, langPacks []string) {
	part = strings.ToLower(part)
	for _, id := range slices.Sorted(maps.Keys(apps)) {
		if strings.Contains(strings.ToLower(apps[id].name), part) {
			ids = append(ids, id)
		}
	}
	for _, pack := range slices.Sorted(maps.Keys(packs)) {
		if strings.Contains(strings.ToLower(packs[pack].name), part) {
			langPacks = append(langPacks, pack)
		}
	}
	return ids, langPacks
}
