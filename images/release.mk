# What leaves the house: one tar for air-gapped clusters, and the files of a release.

##@ Images and releases

.PHONY: chart bundle release

CHART = build/chart/pod-identity-toolkit-$(VERSION).tgz

# As helm packages it: what is linked is in it (manifests/), what .helmignore names is not. The same files give the same bytes.
chart: ## the Helm chart as a package, in build/chart
	@mkdir -p build/chart
	@tar -C images/helm --dereference --sort=name --format=ustar --owner=0 --group=0 --numeric-owner --mtime='@$(SOURCE_DATE_EPOCH)' \
		--mode='u=rwX,go=rX' --anchored --no-wildcards-match-slash \
		$(patsubst %,--exclude='pod-identity-toolkit/%',$(shell sed -n 's/^\([^\#].*[^/]\)\/*$$/\1/p' images/helm/pod-identity-toolkit/.helmignore)) \
		-cf - pod-identity-toolkit | gzip -n9 >$(CHART).new
	@mv $(CHART).new $(CHART)
	@echo '$(CHART)'

BUNDLE = build/bundle/pod-identity-$(RELEASE).tar

bundle: images chart ## one tar with all that a cluster without internet needs, in build/bundle
	@sh images/bundle.sh '$(RELEASE)' '$(IMAGE_TAG)' build/images build/images/root build/bundle '$(BUNDLE)' '$(CHART)'

# SIGN, if set, is a command that gets the list of sums as its last argument, as in images/README.md.
release: bundle man ## binaries, manual pages, images, chart, bundle, SBOMs and sums, in build/release; SIGN=COMMAND signs the sums
	@sh images/release.sh '$(RELEASE)' build build/images '$(BUNDLE)' '$(CHART)' build/man '$(SOURCE_DATE_EPOCH)' 'build/release/$(RELEASE)' $(IMAGE_ARCHES)
	@$(if $(SIGN),$(SIGN) 'build/release/$(RELEASE)/SHA256SUMS')
