# What leaves the house: one tar for air-gapped clusters, and the files of a release.

##@ Images and releases

.PHONY: bundle release

BUNDLE = build/bundle/pod-identity-$(RELEASE).tar

bundle: images ## one tar with all that a cluster without internet needs, in build/bundle
	@sh images/bundle.sh '$(RELEASE)' '$(IMAGE_TAG)' build/images build/images/root build/bundle '$(BUNDLE)'

# SIGN, if set, is a command that gets the list of sums as its last argument, as in images/README.md.
release: bundle ## binaries, images, bundle, SBOMs and sums, in build/release; SIGN=COMMAND signs the sums
	@sh images/release.sh '$(RELEASE)' build build/images '$(BUNDLE)' 'build/release/$(RELEASE)' $(IMAGE_ARCHES)
	@$(if $(SIGN),$(SIGN) 'build/release/$(RELEASE)/SHA256SUMS')
